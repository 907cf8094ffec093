import type { ComponentType } from 'react'
import { ActsPage } from '../pages/acts.tsx'
import { ChangesPage } from '../pages/changes.tsx'
import { DeliveryPage } from '../pages/delivery.tsx'
import { EventPage } from '../pages/event.tsx'
import { GroupsPage } from '../pages/groups.tsx'
import { JobsPage } from '../pages/jobs.tsx'
import { LagsPage } from '../pages/lags.tsx'
import { NamespacesPage } from '../pages/namespaces.tsx'
import { NodesPage } from '../pages/nodes.tsx'
import { NowPage } from '../pages/now.tsx'
import { ParkedPage } from '../pages/parked.tsx'
import { ProjectionsPage } from '../pages/projections.tsx'
import { RatesPage } from '../pages/rates.tsx'
import { SendPage } from '../pages/send.tsx'
import { TailPage } from '../pages/tail.tsx'
import { TopPage } from '../pages/top.tsx'

export interface Page {
  readonly path: string
  readonly name: string
  /** Goes there after a `g`. */
  readonly key: string
  readonly shown: ComponentType<{ query: URLSearchParams }>
}

export const sections: readonly { readonly name: string; readonly pages: readonly Page[] }[] = [
  {
    name: 'On call',
    pages: [
      { path: 'now', name: 'Right now', key: 'o', shown: NowPage },
      { path: 'delivery', name: 'Loss and delivery', key: 'd', shown: DeliveryPage },
      { path: 'changes', name: 'What changed', key: 'c', shown: ChangesPage },
      { path: 'nodes', name: 'Nodes and breakers', key: 'b', shown: NodesPage },
      { path: 'rates', name: 'Rates', key: 'r', shown: RatesPage },
      { path: 'lags', name: 'Lags', key: 'l', shown: LagsPage },
      { path: 'top', name: 'Who is hit', key: 'w', shown: TopPage },
      { path: 'event', name: 'One event', key: 'e', shown: EventPage },
    ],
  },
  {
    name: 'Work',
    pages: [
      { path: 'tail', name: 'Tail a channel', key: 't', shown: TailPage },
      { path: 'parked', name: 'Parked', key: 'p', shown: ParkedPage },
      { path: 'projections', name: 'Projections', key: 'm', shown: ProjectionsPage },
      { path: 'groups', name: 'Groups', key: 'g', shown: GroupsPage },
      { path: 'jobs', name: 'Jobs', key: 'j', shown: JobsPage },
      { path: 'namespaces', name: 'Namespaces', key: 'n', shown: NamespacesPage },
      { path: 'send', name: 'Send a test', key: 's', shown: SendPage },
      { path: 'acts', name: 'Audit log', key: 'a', shown: ActsPage },
    ],
  },
]

export const pages: readonly Page[] = sections.flatMap(section => section.pages)
