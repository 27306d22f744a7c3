/** Verification in a worker of its own, which ends with the result, with a failure, or when the page gives up. */

import type { Check, Evidence, Progress } from './evidence'
import type { Answer, Request } from './messages'

/**
 * Verifies a settlement in a worker. `onProgress` is told after each check.
 *
 * Rejects only where no worker can run here, or with the signal's reason when that aborts: what is wrong with the
 * evidence, checks say.
 */
export function verifyInWorker(
  evidence: Evidence,
  onProgress: (progress: Progress) => void = () => undefined,
  signal?: AbortSignal,
): Promise<readonly Check[]> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason as Error)
      return
    }
    const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' })
    const give = (end: () => void): void => {
      worker.terminate()
      signal?.removeEventListener('abort', abort)
      end()
    }
    const abort = (): void => {
      give(() => {
        reject(signal?.reason as Error)
      })
    }
    signal?.addEventListener('abort', abort)
    worker.addEventListener('message', ({ data }: MessageEvent<Answer>) => {
      if (data.kind === 'progress') onProgress(data.progress)
      else
        give(() => {
          resolve(data.checks)
        })
    })
    worker.addEventListener('error', (event) => {
      give(() => {
        reject(new Error(event.message || 'the worker that verifies could not be started'))
      })
    })
    const request: Request = { evidence }
    worker.postMessage(request)
  })
}
