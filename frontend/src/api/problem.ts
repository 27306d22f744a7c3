/** RFC 9457 problems as errors of one type, those of the network and of odd answers included. */

export interface ProblemDetails {
  type?: string
  title?: string
  status?: number
  detail?: string
  hint?: string
}

/** What a read failed with; `status` 0 says that no answer came at all. */
export class Problem extends Error {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly hint: string | null

  constructor(details: ProblemDetails) {
    const title = details.title ?? 'The read failed'
    super(details.detail ? `${title}: ${details.detail}` : title)
    this.name = 'Problem'
    this.type = details.type ?? 'about:blank'
    this.title = title
    this.status = details.status ?? 0
    this.detail = details.detail ?? ''
    this.hint = details.hint ?? null
  }

  /** Whether the same request may succeed a little later. */
  get passing(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500
  }
}

/** The problem that an answer with an error status carries. */
export async function problemOf(response: Response): Promise<Problem> {
  const fallback: ProblemDetails = { title: response.statusText || `HTTP ${response.status}`, status: response.status }
  try {
    const body: unknown = await response.json()
    if (typeof body !== 'object' || body === null) return new Problem(fallback)
    return new Problem({ ...fallback, ...textFields(body as Record<string, unknown>) })
  } catch {
    return new Problem(fallback)
  }
}

function textFields(body: Record<string, unknown>): ProblemDetails {
  const fields: ProblemDetails = {}
  for (const name of ['type', 'title', 'detail', 'hint'] as const) {
    const value = body[name]
    if (typeof value === 'string') fields[name] = value
  }
  return fields
}
