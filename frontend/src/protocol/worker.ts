/** The worker that verifies a settlement, so that a page stays responsive: one request, progress, one result. */

import type { Answer, Request } from './messages'
import { verifySettlement } from './verify'

const post = (answer: Answer): void => {
  self.postMessage(answer)
}

self.addEventListener('message', ({ data }: MessageEvent<Request>) => {
  void verifySettlement(data.evidence, (progress) => {
    post({ kind: 'progress', progress })
  }).then((checks) => {
    post({ kind: 'checks', checks })
  })
})
