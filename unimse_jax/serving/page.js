"use strict";

// The demo page: takes or records a clip, sends it, and shows the answer.
// Text of an answer only ever becomes text of the page, never markup.

const byId = (id) => document.getElementById(id);
const form = byId("form");
const limits = {
  bytes: Number(form.dataset.megabytes) * 1e6,
  seconds: Number(form.dataset.seconds),
};
// What withholding a modality is called, for people.
const MODALITIES = { text: "words", audio: "voice", video: "face" };

let clip = null; // Blob: what will be sent
let refusal = ""; // why the chosen file will not be
let checked = Promise.resolve(); // done when its length is known

function say(text, wrong = false) {
  byId("status").textContent = text;
  byId("status").className = wrong ? "wrong" : "";
}

function element(name, text, className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  made.className = className;
  return made;
}

function refuse(text) {
  clip = null;
  refusal = text;
  say(text, true);
}

// Shows a clip and checks what can be known of it here.
function choose(blob) {
  const preview = byId("preview");
  URL.revokeObjectURL(preview.src);
  preview.removeAttribute("src");
  preview.hidden = !blob;
  clip = blob;
  refusal = "";
  byId("answer").hidden = true;
  say("");
  if (blob && blob.size > limits.bytes) {
    const found = (blob.size / 1e6).toFixed(1);
    preview.hidden = true;
    refuse(`Expected at most ${limits.bytes / 1e6} MB, found ${found}.`);
  } else if (blob) {
    checked = new Promise((done) => {
      preview.onerror = done; // this browser cannot play it
      preview.onloadedmetadata = () => {
        const length = preview.duration; // infinite where a recorder wrote none
        if (clip === blob && isFinite(length) && length > limits.seconds + 1) {
          const found = length.toFixed(1);
          refuse(`Expected at most ${limits.seconds} s, found ${found}.`);
        }
        done();
      };
    });
    preview.src = URL.createObjectURL(blob);
  }
}

async function record(withVideo) {
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({
      audio: true,
      video: withVideo && { width: 640, height: 480 },
    });
  } catch (error) {
    say(`The browser does not give camera or microphone: ${error.message}`, true);
    return;
  }
  const pieces = [];
  const recorder = new MediaRecorder(stream);
  const timer = setTimeout(() => recorder.stop(), limits.seconds * 1000);
  const preview = byId("preview");
  recorder.ondataavailable = (event) => pieces.push(event.data);
  recorder.onstop = () => {
    clearTimeout(timer);
    stream.getTracks().forEach((track) => track.stop());
    preview.srcObject = null;
    preview.muted = false;
    showRecorder(false);
    choose(new Blob(pieces, { type: recorder.mimeType }));
  };
  choose(null);
  byId("file").value = "";
  preview.hidden = false;
  preview.muted = true; // or it would hear itself
  preview.srcObject = stream;
  preview.play();
  byId("stop").onclick = () => recorder.stop();
  showRecorder(true);
  say(`Recording, ${limits.seconds} s at most.`);
  recorder.start();
}

function showRecorder(running) {
  byId("film").hidden = byId("tape").hidden = running;
  byId("stop").hidden = !running;
  byId("ask").disabled = byId("file").disabled = running;
}

async function ask(event) {
  event.preventDefault();
  await checked;
  const text = byId("text").value;
  if (refusal) {
    say(refusal, true);
    return;
  }
  if (!clip && !text.trim()) {
    say("Expected a clip or words, found neither.", true);
    return;
  }
  byId("answer").hidden = true;
  byId("ask").disabled = true;
  say("Reading. The first clip takes longest.");
  try {
    const reply = await fetch("/predict", {
      method: "POST",
      headers: {
        "Content-Type": "application/octet-stream",
        "Unimse-Text": encodeURIComponent(text),
      },
      body: clip || new Blob(),
    });
    const found = await reply.json();
    if (reply.ok) show(found);
    else say(`Not answered: ${found.error}`, true);
  } catch (error) {
    say(`The program that shows this page does not answer: ${error.message}`, true);
  }
  byId("ask").disabled = false;
}

const signed = (value) =>
  (value > 0 ? "+" : value < 0 ? "\u2212" : "") + Math.abs(value).toFixed(2);

function show(answer) {
  say("");
  const written = { polarity: answer.polarity, ...answer.emotions };
  const words = [...new Set(Object.values(written).filter(Boolean))];
  if (answer.intensity !== null) {
    words.push(`intensity ${signed(answer.intensity)} of \u22123 to +3`);
  }
  byId("label").textContent = words.join(", ") || answer.output;
  byId("shares").replaceChildren(
    ...Object.entries(answer.probabilities).map(([slot, shares]) =>
      drawShares(slot, shares, written[slot]),
    ),
  );
  byId("parts").replaceChildren(...drawParts(answer, written));
  const notes = answer.missing.map((name) => `no ${MODALITIES[name]} was read`);
  byId("notes").replaceChildren(
    ...[...notes, ...answer.notes].map((note) => element("li", note)),
  );
  byId("answer").hidden = false;
  byId("answer").scrollIntoView({ block: "nearest" });
}

function drawShares(slot, shares, written) {
  const block = element("figure", "");
  block.append(element("figcaption", slot));
  for (const [name, share] of Object.entries(shares)) {
    const line = element("div", "", "share");
    const bar = element("span", "", "bar");
    bar.style.width = `${100 * share}%`;
    const number = element("span", share.toFixed(2), "number");
    line.append(element(name === written ? "b" : "span", name), bar, number);
    block.append(line);
  }
  return block;
}

// What the same clip is answered with one of its modalities withheld.
function drawParts(answer, written) {
  const names = Object.keys(answer.without);
  if (!names.length) return [];
  const slots = Object.keys(answer.probabilities).filter((slot) => written[slot]);
  const withIntensity = answer.intensity !== null;
  const row = (kind, title, intensity, probability) => {
    const made = element("tr", "");
    made.append(element("th", title));
    if (withIntensity) made.append(element(kind, intensity));
    for (const slot of slots) made.append(element(kind, probability(slot)));
    return made;
  };
  const number = (value) => (value === undefined ? "-" : value.toFixed(2));
  const table = element("table", "");
  table.append(
    element("caption", "Without words, voice or face"),
    row("th", "read", "intensity", (slot) => `${slot}: ${written[slot]}`),
    row("td", "all", signed(answer.intensity ?? 0), (slot) =>
      number(answer.probabilities[slot][written[slot]]),
    ),
    ...names.map((name) => {
      const { intensity, probabilities } = answer.without[name];
      const shown = intensity === null ? "-" : signed(intensity);
      return row("td", `without ${MODALITIES[name]}`, shown, (slot) =>
        number(probabilities[slot]),
      );
    }),
  );
  const box = element("div", "", "wide");
  box.tabIndex = 0;
  box.setAttribute("role", "region");
  box.setAttribute("aria-label", "What each modality changes");
  box.append(table);
  return [box];
}

byId("file").onchange = () => choose(byId("file").files[0] || null);
byId("film").onclick = () => record(true);
byId("tape").onclick = () => record(false);
form.onsubmit = ask;
if (!navigator.mediaDevices || !window.MediaRecorder) {
  byId("recorder").textContent =
    "This browser records only for pages of this machine (http://127.0.0.1) " +
    "or over https.";
}
