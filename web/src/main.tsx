import { createRoot } from "react-dom/client";
import { App } from "./app.tsx";
import "./style.css";

const root = document.getElementById("root");
if (root === null) throw new Error("The page has no #root");
// No StrictMode: it runs effects twice, and a media token can be used once.
createRoot(root).render(<App />);
