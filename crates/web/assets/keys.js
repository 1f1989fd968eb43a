// Keys for who works a queue all day. Every one of them does what a link, a button or a field of the page does, and they
// can be switched off (WCAG 2.1.4): nothing needs them, and nothing needs this script.
const OFF = "handover-keys-off";
const help = document.getElementById("keys");
const opener = document.querySelector("[data-keys-open]");
const toggle = help && help.querySelector("[data-keys-toggle]");

function stored() {
  try {
    return window.localStorage.getItem(OFF) === "yes";
  } catch {
    return false;
  }
}

let off = stored();

function say() {
  if (toggle) {
    toggle.textContent = off ? "Switch the keys on" : "Switch the keys off";
  }
}

if (help && opener) {
  opener.hidden = false;
  opener.addEventListener("click", () => help.showModal());
  toggle.addEventListener("click", () => {
    off = !off;
    try {
      window.localStorage.setItem(OFF, off ? "yes" : "no");
    } catch {
      // Where nothing may be kept it holds for this page.
    }
    say();
  });
  say();
}

function rows() {
  return [...document.querySelectorAll("[data-row]")];
}

// Moves from row to row, from the top where none has the focus.
function step(by) {
  const all = rows();
  const at = all.findIndex((link) => link.closest("tr").contains(document.activeElement));
  const next = at < 0 ? 0 : Math.min(Math.max(at + by, 0), all.length - 1);
  if (all[next]) {
    all[next].focus();
  }
}

function choose() {
  const row = document.activeElement && document.activeElement.closest("tr");
  const box = row && row.querySelector("input[type=checkbox]");
  if (box) {
    box.checked = !box.checked;
  }
}

function use(key) {
  const target = document.querySelector(`[data-key="${key}"]`);
  if (!target) {
    return false;
  }
  if (target.tagName === "DETAILS") {
    target.open = true;
    const field = target.querySelector("textarea,input:not([type=hidden]),select");
    (field || target.querySelector("summary")).focus();
  } else if (target.tagName === "BUTTON" || target.tagName === "A") {
    target.click();
  } else {
    target.focus();
  }
  return true;
}

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input:not([type=checkbox]),textarea,select,dialog[open]");
  if (typing || event.ctrlKey || event.metaKey || event.altKey) {
    return;
  }
  if (event.key === "?" && help) {
    help.showModal();
  } else if (off) {
    return;
  } else if (event.key === "j") {
    step(1);
  } else if (event.key === "k") {
    step(-1);
  } else if (event.key === "x") {
    choose();
  } else if (!/^[a-z]$/.test(event.key) || !use(event.key)) {
    return;
  }
  event.preventDefault();
});
