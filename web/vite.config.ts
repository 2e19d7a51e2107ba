import path from "node:path";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

/** The page: `npm run build` writes web/dist, which the web role serves. `#…` imports resolve from package.json. */
export default defineConfig({
  root: import.meta.dirname,
  plugins: [react()],
  build: {
    outDir: path.join(import.meta.dirname, "dist"),
    emptyOutDir: true,
    target: "es2024",
    modulePreload: { polyfill: false },
  },
});
