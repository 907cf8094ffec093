import { pages } from '../state/pages.ts'
import type { Shortcuts } from '../state/shortcuts.ts'
import { Dialog } from './dialog.tsx'

export function Help({ shortcuts, onClose }: { shortcuts: Shortcuts; onClose: () => void }) {
  return (
    <Dialog title="Keys" onClose={onClose}>
      <ul className="keys">
        {pages.map(({ path, name, key }) => (
          <li key={path}>
            {name}
            <span className="nowrap">
              <kbd>g</kbd> <kbd>{key}</kbd>
            </span>
          </li>
        ))}
        <li>
          Filter of the page <kbd>/</kbd>
        </li>
        <li>
          Colours: system, light, dark <kbd>t</kbd>
        </li>
        <li>
          This list <kbd>?</kbd>
        </li>
      </ul>
      <label>
        <input type="checkbox" checked={shortcuts.on} onChange={shortcuts.toggle} /> Single keys do something
        (<kbd>?</kbd> always does)
      </label>
      <p className="muted small">
        Every place has an address of its own: copy it from the address bar to show it to somebody else. How
        to read each page stands in <code>docs/CONSOLE.md</code>, what to do about a problem in{' '}
        <code>docs/RUNBOOK.md</code>.
      </p>
      <div className="row">
        <button type="button" onClick={onClose}>
          Close
        </button>
      </div>
    </Dialog>
  )
}
