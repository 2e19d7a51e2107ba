import type mpegts from "mpegts.js";

type Library = typeof mpegts.default;

/**
 * What the player reads its WebSocket with. The library's own loader throws into the page when a quick change of the
 * channel closes it while it connects.
 */
export function streamLoader({ BaseLoader, LoaderStatus }: Pick<Library, "BaseLoader" | "LoaderStatus">) {
  return class extends BaseLoader {
    #socket: WebSocket | undefined;
    #receivedBytes = 0;

    constructor() {
      super("stream-loader");
      this._needStash = true; // messages hold whole TS packets, but any number of them
    }

    override open({ url }: { readonly url: string }): void {
      const socket = new WebSocket(url);
      this.#socket = socket;
      this._status = LoaderStatus.kConnecting;
      socket.binaryType = "arraybuffer";
      socket.onopen = () => {
        this._status = LoaderStatus.kBuffering;
      };
      socket.onmessage = ({ data }) => {
        const startByte = this.#receivedBytes;
        this.#receivedBytes += data.byteLength;
        this.onDataArrival(data, startByte, this.#receivedBytes);
      };
      socket.onclose = () => {
        this._status = LoaderStatus.kComplete;
        this.onComplete(0, this.#receivedBytes - 1);
      };
    }

    override abort(): void {
      if (this.#socket === undefined) return;
      this.#socket.onmessage = this.#socket.onclose = null;
      this.#socket.close();
      this.#socket = undefined;
      this._status = LoaderStatus.kComplete;
    }

    override destroy(): void {
      this.abort();
      super.destroy();
    }
  };
}
