import { type ChildProcess, spawn } from 'node:child_process'

/**
 * Sees to it that nothing outlives the runner, however that goes, `kill -9` included: a shell waits at the end of a pipe
 * that only the runner holds open, then kills what it was told of and removes the folders.
 */
export class Keeper {
  readonly #pipe: NodeJS.WritableStream
  readonly #shell: ChildProcess
  readonly #ended: Promise<unknown>

  constructor() {
    const shell = spawn('/bin/sh', ['-c', program, 'holdfast-chaos-keeper'], {
      // A session of its own, so that Ctrl-C in the terminal does not end it first.
      detached: true,
      cwd: '/',
      stdio: ['pipe', 'ignore', 'ignore'],
    })
    shell.stdin.on('error', () => undefined)
    this.#ended = new Promise(resolve => shell.once('exit', resolve))
    this.#pipe = shell.stdin
    this.#shell = shell
    shell.unref()
  }

  process(pid: number): void {
    this.#pipe.write(`process ${pid}\n`)
  }

  gone(pid: number): void {
    this.#pipe.write(`gone ${pid}\n`)
  }

  /** Its path has no white space. */
  folder(path: string): void {
    this.#pipe.write(`folder ${path}\n`)
  }

  /** Nothing is left to be watched. */
  async release(): Promise<void> {
    this.#shell.ref()
    this.#pipe.end('done\n')
    await this.#ended
  }
}

/** A process is killed together with its group, whose name it gives, and goes on first where it was stopped. */
const program = `
pids=' ' folders='' finished=''
while read -r what name; do
  case $what in
    process) pids="$pids$name " ;;
    gone) case $pids in *" $name "*) pids="\${pids%% $name *} \${pids#* $name }" ;; esac ;;
    folder) folders="$folders $name" ;;
    done) finished=yes; break ;;
  esac
done
[ $finished ] && exit 0
for pid in $pids; do kill -CONT $pid; kill -KILL -$pid || kill -KILL $pid; done
sleep 1
rm -rf $folders
`
