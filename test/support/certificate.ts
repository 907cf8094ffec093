import { generateKeyPairSync, sign } from 'node:crypto'

/** A certificate that signs itself, for one DNS name, and its key: both PEM, made anew each time. */
export function selfSigned(name: string): { cert: string; key: string } {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const ecdsaWithSha256 = sequence(der(0x06, '2a8648ce3d040302'))
  const subject = sequence(der(0x31, sequence(der(0x06, '550403'), der(0x0c, Buffer.from(name)))))
  const validity = sequence(
    der(0x18, Buffer.from('20200101000000Z')),
    der(0x18, Buffer.from('20990101000000Z')),
  )
  const names = sequence(der(0x06, '551d11'), der(0x04, sequence(der(0x82, Buffer.from(name)))))
  const authority = sequence(der(0x06, '551d13'), der(0x04, sequence(der(0x01, 'ff'))))
  const body = sequence(
    der(0xa0, der(0x02, '02')),
    der(0x02, '01'),
    ecdsaWithSha256,
    subject,
    validity,
    subject,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(names, authority)),
  )
  const signature = der(0x03, '00', sign('sha256', body, privateKey))
  const lines = sequence(body, ecdsaWithSha256, signature)
    .toString('base64')
    .match(/.{1,64}/g)
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${lines?.join('\n')}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
}

/** One element of DER (X.690); parts in hexadecimal or as they are. */
function der(tag: number, ...parts: readonly (string | Uint8Array)[]): Buffer {
  const content = Buffer.concat(
    parts.map(part => (typeof part === 'string' ? Buffer.from(part, 'hex') : part)),
  )
  const { length } = content
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}

function sequence(...parts: readonly Uint8Array[]): Buffer {
  return der(0x30, ...parts)
}
