/** What others see and hear of somebody: a camera and a microphone, or a drawing of them. */
export interface Camera {
  readonly stream: MediaStream
  /** `drawn`: there is no camera, or it may not be used. */
  readonly kind: 'camera' | 'drawn'
  stop(): void
}

const size = { width: 480, height: 360 }

export async function openCamera(wanted: boolean, name: string, hue: number): Promise<Camera> {
  const stream = wanted ? await realCamera() : undefined
  if (!stream) return drawnCamera(name, hue)
  // Two tabs on one desk would howl: everyone begins silent.
  for (const track of stream.getAudioTracks()) track.enabled = false
  return { stream, kind: 'camera', stop: () => stopAll(stream) }
}

async function realCamera(): Promise<MediaStream | undefined> {
  try {
    return await navigator.mediaDevices.getUserMedia({ video: size, audio: true })
  } catch {
    // A camera without a microphone is one, too.
    return navigator.mediaDevices?.getUserMedia({ video: size }).catch(() => undefined)
  }
}

function drawnCamera(name: string, hue: number): Camera {
  const canvas = Object.assign(document.createElement('canvas'), size)
  const pen = canvas.getContext('2d')
  const draw = () => pen && drawFrame(pen, name, hue)
  draw()
  const timer = setInterval(draw, 80)
  const stream = canvas.captureStream(12)
  return {
    stream,
    kind: 'drawn',
    stop() {
      clearInterval(timer)
      stopAll(stream)
    },
  }
}

function stopAll(stream: MediaStream): void {
  for (const track of stream.getTracks()) track.stop()
}

/** An initial that breathes, so that everyone sees whether the picture moves. */
function drawFrame(pen: CanvasRenderingContext2D, name: string, hue: number): void {
  const { width, height } = size
  const time = Date.now() / 1_000
  const back = pen.createLinearGradient(0, 0, width, height)
  back.addColorStop(0, `hsl(${hue} 45% 32%)`)
  back.addColorStop(1, `hsl(${(hue + 50) % 360} 50% 18%)`)
  pen.fillStyle = back
  pen.fillRect(0, 0, width, height)
  for (let i = 0; i < 3; i++) {
    const angle = time * (0.5 + i * 0.2) + i * 2.1
    pen.fillStyle = `hsl(${(hue + 40 * i) % 360} 70% 60% / 0.22)`
    pen.beginPath()
    pen.arc(width / 2 + 120 * Math.cos(angle), height / 2 + 70 * Math.sin(angle), 70 - 12 * i, 0, 7)
    pen.fill()
  }
  pen.fillStyle = `hsl(${hue} 60% 42%)`
  pen.beginPath()
  pen.arc(width / 2, height / 2, 74 + 4 * Math.sin(time * 2), 0, 7)
  pen.fill()
  pen.fillStyle = '#fff'
  pen.font = '600 72px system-ui, sans-serif'
  pen.textAlign = 'center'
  pen.textBaseline = 'middle'
  pen.fillText((name.trim()[0] ?? '?').toUpperCase(), width / 2, height / 2 + 4)
}
