import type {
  ApiChannel,
  ApiDeviceSecret,
  ApiFailure,
  ApiNewChannel,
  ApiNewDeviceSecret,
  ApiSession,
  ApiSignIn,
  ApiSignUp,
} from "#http/api.ts";

/** The server said no, or could not be reached. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: number; // 0 = not reached
  readonly failure: ApiFailure;
  constructor(status: number, failure: ApiFailure) {
    super(failure.message);
    this.status = status;
    this.failure = failure;
  }
}
const NOT_REACHED: ApiFailure = { error: "not-reached", message: "The server cannot be reached. Is your network up?" };
const NOT_UNDERSTOOD: ApiFailure = {
  error: "failed",
  message: "The server gave an answer that makes no sense. Please try again.",
};

async function call<T>(method: "GET" | "POST" | "DELETE", path: string, body?: object): Promise<T> {
  const headers: HeadersInit = body === undefined ? {} : { "content-type": "application/json" };
  const response = await fetch(path, { method, headers, body: body === undefined ? null : JSON.stringify(body) }).catch(() => {
    throw new ApiError(0, NOT_REACHED);
  });
  if (response.status === 204) return undefined as T;
  const answer: unknown = await response.json().catch(() => undefined);
  if (response.ok) return answer as T;
  throw new ApiError(response.status, (answer as ApiFailure | undefined) ?? NOT_UNDERSTOOD);
}

export const api = {
  session: () => call<ApiSession>("GET", "/api/session"),
  signUp: (body: ApiSignUp) => call<ApiSession>("POST", "/api/sign-up", body),
  signIn: (body: ApiSignIn) => call<ApiSession>("POST", "/api/sign-in", body),
  signOut: () => call<void>("POST", "/api/sign-out", {}),
  addChannel: (body: ApiNewChannel) => call<ApiChannel>("POST", "/api/channels", body),
  deviceSecrets: () => call<readonly ApiDeviceSecret[]>("GET", "/api/device-secrets"),
  addDeviceSecret: (label: string) => call<ApiNewDeviceSecret>("POST", "/api/device-secrets", { label }),
  revokeDeviceSecret: (id: string) => call<void>("DELETE", `/api/device-secrets/${encodeURIComponent(id)}`),
};
