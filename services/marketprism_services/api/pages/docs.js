"use strict";
// Lists every request of /api/v1/openapi.json and tries it. What comes from the document or from an answer becomes text
// nodes only. The API key stays in its field: it is stored nowhere, and is no part of any address.

const TEXTS = {
  en: {
    language: "中文", search: "Search", key: "API key", choose: "Choose a request from the list.",
    parameters: "Parameters", none: "None.", needed: "needed", body: "Body", send: "Try", stop: "Stop", answer: "Answer",
    waiting: "Waiting…", samples: "Samples", headers: "Headers", statuses: "Statuses", scope: "Scope needed",
    anybody: "anybody may ask", deprecated: "Deprecated: do not use it any more.", nothing: "Nothing matches.",
    failed: "No answer", binary: "bytes, not shown", more: "… (shown in part)", stopped: "stopped",
    unloaded: "The document could not be loaded", missing: "Needed and empty: ",
    packed: "MessagePack, which this page does not write: ask with MarketClient.",
  },
  zh: {
    language: "English", search: "搜索", key: "API 密钥", choose: "请从列表中选择一个请求。",
    parameters: "参数", none: "无。", needed: "必填", body: "请求体", send: "试一试", stop: "停止", answer: "响应",
    waiting: "等待中…", samples: "示例代码", headers: "响应头", statuses: "状态码", scope: "所需权限",
    anybody: "任何人都可以请求", deprecated: "已弃用：请不要再使用。", nothing: "没有匹配的请求。",
    failed: "没有响应", binary: "字节，未显示", more: "……（仅显示一部分）", stopped: "已停止",
    unloaded: "无法加载文档", missing: "必填项为空：",
    packed: "MessagePack 编码，本页面无法填写：请使用 MarketClient。",
  },
};
const METHODS = ["get", "post", "put", "patch", "delete"];
const MOST_SHOWN = 200000; // characters of an answer
const MOST_READ = 2000000; // bytes of an answer; what is longer is not read to its end

let language = (navigator.language || "en").toLowerCase().startsWith("zh") ? "zh" : "en";
let api = null;
let current = null;
let running = null;

const byId = (id) => document.getElementById(id);
const text = (name) => TEXTS[language][name];

function element(tag, options = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(options)) {
    if (name === "class") made.className = value;
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value);
  }
  made.append(...children.filter((each) => each !== null && each !== ""));
  return made;
}

function resolved(schema) {
  let found = schema || {};
  while (found.$ref) {
    found = found.$ref.slice(2).split("/").reduce((at, part) => at[part.replace(/~1/g, "/").replace(/~0/g, "~")], api);
  }
  return found;
}

function operations() {
  const found = [];
  for (const [path, item] of Object.entries(api.paths)) {
    for (const method of METHODS.filter((each) => each in item)) found.push({ path, method, is: item[method] });
  }
  return found;
}

// -- the list

function drawList() {
  const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const matches = operations().filter(({ path, method, is }) => {
    const all = [path, method, is.summary, is["x-scope"] || "", ...(is.tags || [])].join(" ").toLowerCase();
    return words.every((word) => all.includes(word));
  });
  const groups = [];
  for (const tag of api.tags || []) {
    const own = matches.filter(({ is }) => (is.tags || [])[0] === tag.name);
    if (own.length) groups.push(element("h3", {}, tag.name), element("p", {}, tag.description || ""), ...own.map(entry));
  }
  byId("list").replaceChildren(...(groups.length ? groups : [element("p", {}, text("nothing"))]));
}

function entry(operation) {
  const options = { type: "button", title: operation.is.summary, onclick: () => show(operation) };
  if (current && current.is.operationId === operation.is.operationId) options["aria-current"] = "true";
  return element(
    "button", options, element("span", { class: "method" }, operation.method.toUpperCase()), " ",
    element("span", { class: operation.is.deprecated ? "path gone" : "path" }, operation.path.replace("/api/v1", "") || "/"),
  );
}

// -- one request

function show(operation, values = {}) {
  if (running) running.abort();
  current = operation;
  history.replaceState(null, "", `#${encodeURIComponent(operation.is.operationId)}`);
  drawList();
  const { path, method, is } = operation;
  const parameters = (is.parameters || []).map(resolved);
  const rows = parameters.map((each) => row(each, values[`of-${each.name}`]));
  const content = is.requestBody ? resolved(is.requestBody).content || {} : {};
  const isPacked = Boolean(is.requestBody) && !("application/json" in content);
  const body = is.requestBody && !isPacked ? element("textarea", { "aria-label": text("body"), spellcheck: "false" }) : null;
  const samples = element("div");
  const result = element("div", { "aria-live": "polite" });
  const button = element("button", { type: "button", class: "try" }, text("send"));
  const draw = () => drawSamples(samples, request(operation, rows, body));
  const shown = byId("shown");
  shown.replaceChildren(
    element("h2", {}, element("span", { class: "method" }, method.toUpperCase()), " ", element("code", {}, path)),
    element("p", {}, is.summary), is.description ? element("p", {}, is.description) : "",
    is.deprecated ? element("p", { class: "bad" }, text("deprecated")) : "",
    element("p", {}, `${text("scope")}: `, element("code", {}, is["x-scope"] || text("anybody"))),
    element("h3", {}, text("parameters")),
    rows.length ? element("table", { class: "parameters" }, ...rows.map((each) => each.shown)) : element("p", {}, text("none")),
    is.requestBody ? element("h3", {}, text("body")) : "",
    ...(isPacked ? [element("p", {}, text("packed"))] : [body || "", button, result, element("h3", {}, text("samples")), samples]),
    element("h3", {}, text("statuses")), statuses(is),
  );
  shown.oninput = draw;
  button.addEventListener("click", () => (running ? running.abort() : send(request(operation, rows, body), result, button)));
  draw();
}

function row(parameter, value) {
  const schema = resolved(parameter.schema);
  const values = schema.enum || (schema.type === "boolean" ? [true, false] : null);
  const start = parameter.example !== undefined ? parameter.example : parameter.required && values ? values[0] : "";
  const hints = [...(schema.examples || []), ...(schema.default === undefined ? [] : [schema.default])];
  const field = values
    ? element("select", { id: `of-${parameter.name}` }, ...["", ...values].map((each) => element("option", {}, String(each))))
    : element("input", { id: `of-${parameter.name}`, autocomplete: "off", spellcheck: "false", placeholder: hints.join("  ") });
  field.value = value === undefined ? String(start) : value;
  const name = element("label", { for: `of-${parameter.name}` }, element("code", {}, parameter.name));
  const needed = parameter.required ? element("small", {}, element("br"), text("needed")) : "";
  const shown = element(
    "tr", {}, element("td", {}, name, needed), element("td", {}, field),
    element("td", {}, element("small", {}, parameter.description || "")),
  );
  return { parameter, field, shown };
}

function request({ path, method, is }, rows, body) {
  let url = path;
  const query = new URLSearchParams();
  const missing = [];
  for (const { parameter, field } of rows) {
    const value = field.value.trim();
    if (parameter.required && value === "") missing.push(parameter.name);
    if (parameter.in === "path") url = url.replace(`{${parameter.name}}`, encodeURIComponent(value));
    else if (value !== "" && parameter.in === "query") query.append(parameter.name, value);
  }
  const rest = query.toString();
  return {
    method: method.toUpperCase(), url: rest ? `${url}?${rest}` : url, missing, body: body && body.value.trim() ? body.value : null,
    needsKey: Boolean(is["x-scope"]),
  };
}

function drawSamples(into, asked) {
  const url = location.origin + asked.url;
  const quoted = (value) => `'${value.replace(/'/g, `'\\''`)}'`;
  const withKey = asked.needsKey && byId("key").value !== "";
  const curl = ["curl", "--fail-with-body", ...(asked.method === "GET" ? [] : ["-X", asked.method])];
  if (withKey) curl.push("-H", `"X-API-Key: $MARKETPRISM_KEY"`);
  if (asked.body) curl.push("-H", "'Content-Type: application/json'", "-d", quoted(asked.body));
  curl.push(quoted(url));
  const headers = [
    ...(withKey ? [`"X-API-Key": os.environ["MARKETPRISM_KEY"]`] : []),
    ...(asked.body ? [`"Content-Type": "application/json"`] : []),
  ];
  const python = [
    ...(withKey ? ["import os"] : []), "import urllib.request", "",
    `request = urllib.request.Request(`, `    ${JSON.stringify(url)},`,
    ...(asked.method === "GET" ? [] : [`    method=${JSON.stringify(asked.method)},`]),
    ...(headers.length ? [`    headers={${headers.join(", ")}},`] : []),
    ...(asked.body ? [`    data=${JSON.stringify(asked.body)}.encode(),`] : []),
    `)`, `with urllib.request.urlopen(request) as answer:`, `    print(answer.read())`,
  ];
  into.replaceChildren(element("pre", {}, curl.join(" ")), element("pre", {}, python.join("\n")));
}

function statuses(is) {
  const rows = Object.entries(is.responses || {}).map(([status, of]) => {
    const found = resolved(of);
    return element("tr", {}, element("td", {}, element("code", {}, status)), element("td", {}, found.description || "", codes(found)));
  });
  return element("table", {}, ...rows);
}

function codes(response) {
  const schema = ((response.content || {})["application/json"] || {}).schema || {};
  const error = (schema.allOf || []).map((each) => ((each.properties || {}).error || {}).properties).find(Boolean);
  return error && error.code && error.code.enum ? element("small", {}, element("br"), element("code", {}, error.code.enum.join(" "))) : "";
}

// -- the answer

async function send(asked, into, button) {
  if (asked.missing.length) {
    into.replaceChildren(element("p", { class: "bad" }, text("missing") + asked.missing.join(", ")));
    return;
  }
  running = new AbortController();
  const own = running;
  button.textContent = text("stop");
  into.replaceChildren(element("p", {}, text("waiting")));
  const started = performance.now();
  try {
    const headers = {};
    const key = byId("key").value.trim();
    if (key) headers["X-API-Key"] = key;
    if (asked.body) headers["Content-Type"] = "application/json";
    const options = { method: asked.method, headers, body: asked.body, cache: "no-store", signal: own.signal };
    const answer = await fetch(asked.url, options);
    const [bytes, isWhole] = await read(answer);
    const took = Math.round(performance.now() - started);
    const names = [...answer.headers.entries()].map(([name, value]) => `${name}: ${value}`).join("\n");
    into.replaceChildren(
      element("h3", {}, text("answer")),
      element("p", {}, element("span", { class: answer.ok ? "good" : "bad" }, `${answer.status} ${answer.statusText}`), ` · ${took} ms · ${bytes.length} B`),
      element("pre", {}, written(bytes, answer.headers.get("Content-Type") || "", isWhole)),
      element("h3", {}, text("headers")), element("pre", {}, names),
    );
  } catch (error) {
    const why = error.name === "AbortError" ? text("stopped") : String(error);
    into.replaceChildren(element("p", { class: "bad" }, `${text("failed")}: ${why}`));
  } finally {
    if (running === own) running = null;
    button.textContent = text("send");
  }
}

async function read(answer) {
  const parts = [];
  let size = 0;
  let isWhole = true;
  const reader = answer.body ? answer.body.getReader() : null;
  while (reader) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    size += value.length;
    if (size > MOST_READ) {
      isWhole = false;
      await reader.cancel();
      break;
    }
  }
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return [bytes, isWhole];
}

function written(bytes, type, isWhole) {
  if (!/json|text|csv|javascript/.test(type)) return `${bytes.length} ${text("binary")}`;
  const found = new TextDecoder().decode(bytes);
  const shown = /json/.test(type) && !/ndjson/.test(type) && isWhole && found.length < MOST_SHOWN ? indented(found) : found;
  return shown.length > MOST_SHOWN || !isWhole ? `${shown.slice(0, MOST_SHOWN)}\n${text("more")}` : shown;
}

// Indents without reading: nanoseconds are larger than the numbers that JavaScript has, and would be shown rounded.
function indented(json) {
  let out = "";
  let deep = 0;
  const line = () => `\n${"  ".repeat(deep)}`;
  for (const [part] of json.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s"{}[\],:]+/g)) {
    if (part === "{" || part === "[") {
      deep += 1;
      out += part + line();
    } else if (part === "}" || part === "]") {
      deep -= 1;
      out = /[{[]\s*$/.test(out.slice(-80)) ? out.trimEnd() + part : out + line() + part;
    } else out += part === "," ? part + line() : part === ":" ? ": " : part;
  }
  return out;
}

// -- the page

function translate() {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  for (const each of document.querySelectorAll("[data-text]")) each.textContent = text(each.dataset.text);
  byId("language").textContent = text("language");
  if (api) drawList();
  const fields = [...byId("shown").querySelectorAll("[id^=of-]")];
  if (current) show(current, Object.fromEntries(fields.map((each) => [each.id, each.value])));
}

async function start() {
  byId("language").addEventListener("click", () => {
    language = language === "zh" ? "en" : "zh";
    translate();
  });
  translate();
  try {
    const answer = await fetch("/api/v1/openapi.json");
    if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`);
    api = await answer.json();
  } catch (error) {
    byId("shown").replaceChildren(element("p", { class: "bad" }, `${text("unloaded")}: ${error}`));
    return;
  }
  byId("version").textContent = api.info.version;
  byId("search").addEventListener("input", drawList);
  byId("key").addEventListener("input", () => current && byId("shown").oninput());
  drawList();
  const wanted = decodeURIComponent(location.hash.slice(1));
  const first = operations().find(({ is }) => is.operationId === wanted);
  if (first) show(first);
}

start();
