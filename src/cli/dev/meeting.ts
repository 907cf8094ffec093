/** The server's half of the meeting room in `demo/`: who somebody is, and what a decision takes. */
import { z } from 'zod'
import { defineAggregate, type Holdfast, HoldfastError, type Identity } from '../../app/index.ts'

export function meeting(hf: Holdfast): void {
  hf.authenticate(({ data }) => participant(data))
  hf.aggregate(decisions)
}

const joining = z.object({
  meeting: z.object({
    /** Made by the browser and kept there, so that several tabs are one person. */
    person: z.string().regex(/^[\w-]{8,64}$/),
    /** One page of it, for as long as it is open. */
    tab: z.string().regex(/^[\w-]{8,64}$/),
    name: z.string().trim().min(1).max(40),
  }),
})

/** Everyone is taken at their word, on a machine where everyone may do everything. Others are not in a meeting. */
export function participant(data: unknown): Identity | undefined {
  const result = joining.safeParse(data)
  if (!result.success) return undefined
  const { person, tab, name } = result.data.meeting
  return { user: person, info: { name, tab } }
}

type DecisionEvent =
  | { type: 'Proposed'; data: { proposal: string; text: string; by: Person } }
  | { type: 'Agreed'; data: { proposal: string; by: Person } }
  | { type: 'Decided' | 'Withdrawn'; data: { proposal: string } }

type State = Readonly<Record<string, { readonly by: string; readonly agreed: readonly string[] }>>

const person = z.object({ id: z.string().max(64), name: z.string().max(40) })
type Person = z.infer<typeof person>

const onProposal = z.object({ proposal: z.uuid(), by: person })

/** So many have to agree, whoever proposed it among them. */
const needed = 2
/** Open ones of one meeting. */
const mostOpen = 50

/** Nobody agrees twice, and nothing is decided twice, however many press the button at the same moment on both nodes. */
export const decisions = defineAggregate({
  name: 'decisions',
  pattern: 'decision:{room}',
  initial: {},
  evolve(state: State, { type, data }: DecisionEvent): State | undefined {
    // Where everyone may append, not all of it is of ours.
    if (typeof data?.proposal !== 'string') return undefined
    const { [data.proposal]: open, ...others } = state
    if (type === 'Proposed') return { ...state, [data.proposal]: { by: data.by.id, agreed: [data.by.id] } }
    if (!open) return undefined
    if (type !== 'Agreed') return others
    return { ...state, [data.proposal]: { ...open, agreed: [...open.agreed, data.by.id] } }
  },
  commands: {
    propose: {
      schema: z.object({ text: z.string().trim().min(1).max(500), by: person }),
      authorize: ({ user, input }) => user === input.by.id,
      decide(state, { text, by }, { id }) {
        if (Object.keys(state).length >= mostOpen) throw refused(`${mostOpen} proposals are open already`)
        return { type: 'Proposed', data: { proposal: id, text, by } }
      },
    },
    agree: {
      schema: onProposal,
      authorize: ({ user, input }) => user === input.by.id,
      decide(state, { proposal, by }) {
        const open = state[proposal]
        if (!open) throw refused('it is decided already, or was withdrawn')
        if (open.agreed.includes(by.id)) return []
        const agreed = { type: 'Agreed', data: { proposal, by } } as const
        const enough = open.agreed.length + 1 >= needed
        return enough ? [agreed, { type: 'Decided', data: { proposal } }] : agreed
      },
    },
    withdraw: {
      schema: onProposal,
      authorize: ({ user, input }) => user === input.by.id,
      decide(state, { proposal, by }) {
        const open = state[proposal]
        if (!open) throw refused('it is decided already, or was withdrawn')
        if (open.by !== by.id) throw refused('only who has proposed it can withdraw it')
        return { type: 'Withdrawn', data: { proposal } }
      },
    },
  },
  snapshots: { every: 200, version: 1 },
})

function refused(why: string): HoldfastError {
  return new HoldfastError('REQUEST_INVALID', why)
}
