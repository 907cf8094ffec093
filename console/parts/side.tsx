import { routeTo } from '../state/address.ts'
import { sections } from '../state/pages.ts'
import { useSession } from '../state/session.tsx'
import { Brand } from './brand.tsx'

export function Side({ current, open }: { current: string; open: boolean }) {
  const { me } = useSession()
  return (
    <nav className="side" id="side" aria-label="Pages" data-open={open}>
      <a className="brand" href={routeTo('now')}>
        <Brand /> Holdfast
      </a>
      {sections.map(({ name, pages }) => (
        <div key={name}>
          <h2>{name}</h2>
          <ul>
            {pages.map(page => (
              <li key={page.path}>
                <a href={routeTo(page.path)} aria-current={page.path === current ? 'page' : undefined}>
                  {page.name}
                </a>
              </li>
            ))}
          </ul>
        </div>
      ))}
      <p className="who">
        Signed in as {me.name} ({me.role}) on {me.node.name}, release {me.node.version}
      </p>
    </nav>
  )
}
