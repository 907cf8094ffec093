import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import Fastify, { type FastifyInstance } from 'fastify'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { servePage } from './page.ts'

describe('a page', () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-pages-'))
  const script = 'console.log(1)'
  let app: FastifyInstance
  const get = (url: string, headers: Record<string, string> = {}) =>
    app.inject({ method: 'GET', url, headers })

  beforeAll(async () => {
    mkdirSync(join(folder, 'console/assets'), { recursive: true })
    writeFileSync(join(folder, 'console/index.html'), '<!doctype html><title>x</title>')
    writeFileSync(join(folder, 'console/.hidden'), 'x')
    writeFileSync(join(folder, 'console/assets/index-1a2b.js'), script)
    writeFileSync(join(folder, 'console/assets/index-1a2b.js.gz'), gzipSync(script))
    writeFileSync(join(folder, 'secret.txt'), 'x')
    app = Fastify()
    expect(servePage(app, 'console', folder)).toBe(true)
    expect(servePage(app, 'demo', folder)).toBe(false)
    app.get('/console/api/status', async () => ({ fine: true }))
    await app.ready()
  })
  afterAll(async () => {
    await app.close()
    rmSync(folder, { recursive: true })
  })

  it('is asked for anew each time, and its assets once for ever', async () => {
    const page = await get('/console/')
    expect(page.statusCode).toBe(200)
    expect(page.headers).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-cache',
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
    })
    const asset = await get('/console/assets/index-1a2b.js')
    expect(asset.body).toBe(script)
    expect(asset.headers).toMatchObject({
      'content-type': 'application/javascript; charset=utf-8',
      'cache-control': 'public, max-age=31536000, immutable',
      'x-content-type-options': 'nosniff',
    })
    expect((await get('/console')).headers['location']).toBe('/console/')
  })

  it('runs no script but its own, and cannot be framed', async () => {
    const policy = String((await get('/console/')).headers['content-security-policy'])
    expect(policy).toContain("default-src 'none'")
    expect(policy).toContain("script-src 'self';")
    expect(policy).toContain("frame-ancestors 'none'")
    expect(policy).not.toMatch(/unsafe|\*/)
  })

  it('is sent as it was compressed to whoever takes that', async () => {
    const asset = await get('/console/assets/index-1a2b.js', { 'accept-encoding': 'gzip' })
    expect(asset.headers).toMatchObject({
      'content-encoding': 'gzip',
      'content-type': 'application/javascript; charset=utf-8',
      'cache-control': 'public, max-age=31536000, immutable',
    })
    expect(asset.rawPayload).toEqual(gzipSync(script))
  })

  it('leaves other routes under its path alone', async () => {
    const answer = await get('/console/api/status')
    expect(answer.json()).toEqual({ fine: true })
  })

  it.each([
    '/console/../secret.txt',
    '/console/%2e%2e/secret.txt',
    '/console/..%2fsecret.txt',
    '/console/.hidden',
    '/console/nothing.js',
  ])('gives nothing else out: %s', async url => {
    const answer = await get(url)
    expect(answer.statusCode).toBeGreaterThanOrEqual(400)
    expect(answer.statusCode).toBeLessThan(500)
  })

  it('says what to do where it has not been built', async () => {
    const answer = await get('/demo/')
    expect(answer.statusCode).toBe(404)
    expect(answer.body).toContain('npm run build')
  })
})
