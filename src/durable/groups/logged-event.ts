import type { StoredEvent } from '../../domain/index.ts'
import { publicationOf, sliceAt } from '../../protocol/index.ts'
import type { Entry } from '../mirror/entry.ts'

const dataAt = '{"data":'.length
const offsetKey = ',"offset":'
const infoKey = ',"info":'
const tagsKey = ',"tags":{"id":"'
const idLength = 36
const typeKey = '","type":'
const timeKey = '},"time":'

/**
 * The event that a log's entry was made of (`encodeEvent`). Its `data` is the same JSON, with a blank where a line break
 * stood between tokens. What stands behind the data is found from the end: inside a JSON string a quote is escaped, so
 * none of these keys can occur there.
 */
export function loggedEvent(entry: Entry): StoredEvent {
  const { partition, position, channel, offset, line, trace } = entry
  const publication = publicationOf(channel, line)
  const end = publication.lastIndexOf(offsetKey)
  const idAt = publication.indexOf(tagsKey, end) + tagsKey.length
  const timeAt = publication.lastIndexOf(timeKey)
  const type = publication.slice(idAt + idLength + typeKey.length, timeAt)
  const body = publication.slice(dataAt, end)
  const data = body.includes(infoKey) ? (sliceAt(publication, ['data']) ?? '') : body
  return {
    channel,
    offset,
    position,
    partition,
    id: publication.slice(idAt, idAt + idLength),
    type: JSON.parse(type),
    data,
    meta: data.length === body.length ? null : body.slice(data.length + infoKey.length),
    time: Number(publication.slice(timeAt + timeKey.length, -1)),
    trace,
  }
}
