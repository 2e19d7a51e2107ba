/** What a page needs of a client: no Node API stands behind this door. */
export { type PageState, type PageViewer, type PageViewerOptions, pageViewer } from "./page.ts";
export { sentence } from "./sentences.ts";
