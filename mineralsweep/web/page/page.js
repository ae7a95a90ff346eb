"use strict";
const byId = (id) => document.getElementById(id);
const drop = byId("drop"), input = byId("file"), answers = byId("answers");

function say(text, wrong = false) {
  byId("status").textContent = text;
  byId("status").classList.toggle("wrong", wrong);
}

function make(tag, text = "", attributes = {}) {
  const element = document.createElement(tag);
  element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

async function sent(route, file) {
  const reply = await fetch(route, { method: "POST", body: file });
  const told = await reply.json().catch(() => ({ error: `the server answered ${reply.status}` }));
  if (!reply.ok) throw new Error(told.error || told.message || `the server answered ${reply.status}`);
  return told;
}

function probabilities(answer) {
  const list = make("dl");
  const sorted = Object.entries(answer.probabilities).sort((a, b) => b[1] - a[1]);
  for (const [name, share] of sorted.slice(0, 8)) {
    list.append(make("dt", name));
    const bar = make("dd");
    bar.append(make("meter", "", { min: 0, max: 1, value: share, "aria-label": name }));
    list.append(bar, make("dd", `${(100 * share).toFixed(1)} %`));
  }
  return list;
}

const isUnlike = (answer) => answer.verdict === "unlike_training";

function verdict(answer) {
  if (isUnlike(answer)) {
    const text = "It is unlike the images that the model was trained on: don't trust the label.";
    return make("p", text, { class: "unlike" });
  }
  return make("p", answer.verdict ? "It looks like the images that the model was trained on. Something else can look the same." : "", { class: "soft" });
}

function paint(canvas, heat) {
  const side = heat.length;
  canvas.width = canvas.height = side;
  const context = canvas.getContext("2d"), image = context.createImageData(side, side);
  heat.flat().forEach((value, at) => image.data.set([255, 140, 0, Math.round(190 * value)], 4 * at));
  context.putImageData(image, 0, 0);
}

async function explain(file, picture, told, button) {
  button.disabled = true;
  button.textContent = "Looking ...";
  try {
    const found = await sent("explain", file);
    const heading = make("h3", "Why", { tabindex: "-1" });
    told.append(heading);
    if (picture.querySelector("img")) {
      const canvas = make("canvas", "", { role: "img", "aria-label": "Where it looked: the orange places speak for the answer." });
      paint(canvas, found.heat);
      picture.append(canvas);
      told.append(make("p", "Orange: what speaks for the answer.", { class: "soft" }));
    }
    button.remove();
    heading.focus();
    if (!found.nearest.length) return;
    told.append(make("p", "The training images nearest to it:"));
    const list = make("ul", "", { class: "near" });
    for (const one of found.nearest) {
      const item = make("li");
      if (one.picture) item.append(make("img", "", { src: one.picture, alt: `a training image of ${one.label}` }));
      item.append(make("span", one.label));
      list.append(item);
    }
    told.append(list);
  } catch (error) {
    button.replaceWith(make("p", error.message, { class: "soft" }));
  }
}

function show(file, answer) {
  const article = make("article"), picture = make("div", "", { class: "picture" }), told = make("div");
  const image = make("img", "", { alt: file.name || "your image" });
  image.onerror = () => image.replaceWith(make("p", "Your browser can't show this kind of file; the model read it.", { class: "soft" }));
  image.src = URL.createObjectURL(file);
  image.onload = () => URL.revokeObjectURL(image.src);
  picture.append(image);
  const named = `${answer.label}, ${(100 * answer.confidence).toFixed(1)} %`;
  told.append(make("h2", isUnlike(answer) ? `None of these? (${named})` : named), verdict(answer), probabilities(answer));
  const button = make("button", "Why?", { type: "button" });
  button.onclick = () => explain(file, picture, told, button);
  told.append(button);
  article.append(picture, told);
  answers.prepend(article);
}

async function classify(files) {
  const wrong = [];
  for (const [place, file] of files.entries()) {
    say(`Looking at ${file.name || "the image"} (${place + 1} of ${files.length}) ...`);
    try {
      const told = await sent("classify", file);
      show(file, told.answers[0]);
      const answer = told.answers[0], name = file.name || "The image";
      say(isUnlike(answer) ? `${name}: unlike the training images; maybe ${answer.label}.` : `${name}: ${answer.label}.`);
    } catch (error) {
      wrong.push(`${file.name || "the image"}: ${error.message}`);
    }
  }
  if (wrong.length) say(wrong.join("; "), true);
}

input.onchange = () => { classify([...input.files]); input.value = ""; };
for (const kind of ["dragenter", "dragover"])
  document.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("over"); });
document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) drop.classList.remove("over"); });
document.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  classify([...event.dataTransfer.files]);
});
document.addEventListener("paste", (event) => classify([...event.clipboardData.files]));

fetch("version").then((reply) => reply.json()).then((about) => {
  const since = new Date(about.since);
  byId("model").textContent = [
    about.version ? `${about.model} version ${about.version}` : about.uri,
    about.version && !isNaN(since) ? `since ${since.toLocaleDateString()}` : "",
    about.test_accuracy ? `test accuracy ${about.test_accuracy}` : "",
  ].filter(Boolean).join(", ");
  byId("keeps").textContent = `The server keeps ${about.keeps}.`;
}).catch(() => say("The server does not answer.", true));
