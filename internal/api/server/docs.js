// All addresses are relative to this script's: a proxy may serve the api below a path.
const base = new URL("../api/v1", document.currentScript.src).href;
fetch(base + "/openapi.json").then((r) => r.json()).then((spec) => {
  window.ui = SwaggerUIBundle({spec: {...spec, servers: [{url: base}]}, dom_id: "#page", deepLinking: true, validatorUrl: null});
}, () => {
  document.getElementById("page").textContent = "The document can't be loaded. Reload the page to try again.";
});
