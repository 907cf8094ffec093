/** The configuration of the nodes of `holdfast dev`, as `HOLDFAST_CONFIG` names one. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Holdfast } from '../../app/index.ts'
import { meeting } from './meeting.ts'
import { addStage } from './stage.ts'
import { packageFolder } from './state-folder.ts'

export default JSON.parse(readFileSync(join(packageFolder, 'holdfast.config.dev.json'), 'utf8')) as unknown

export function setup(hf: Holdfast): void {
  meeting(hf)
  addStage(hf, process.env)
}
