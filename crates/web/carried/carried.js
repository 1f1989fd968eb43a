
"use strict";
(function () {
  var find = function (id) { return document.getElementById(id); };
  var sealed = JSON.parse(find("sealed").textContent);
  var head = JSON.parse(sealed.head);
  var encode = new TextEncoder();
  var decode = new TextDecoder();
  var key = null;
  var inside = null;
  var kept = { entries: [], opened: [], out: "" };
  var place = "handover." + head.kind + "." + head.id;
  var ENTRIES_MAX = 400;
  var OPENED_MAX = 100;

  function bytes(text) {
    return Uint8Array.from(atob(text), function (c) { return c.charCodeAt(0); });
  }
  function base64(buffer) {
    var all = new Uint8Array(buffer);
    var text = "";
    for (var i = 0; i < all.length; i += 1) { text += String.fromCharCode(all[i]); }
    return btoa(text);
  }
  function say(where, kind, text) {
    var box = find(where);
    box.textContent = "";
    if (!text) { return; }
    var p = document.createElement("p");
    p.className = kind;
    p.textContent = text;
    box.appendChild(p);
  }
  function clock(at) {
    return new Date(at).toLocaleString("en-GB", { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", timeZone: "Europe/London" });
  }

  // How old it is, in big letters, for as long as it is open.
  function age() {
    var minutes = Math.floor((Date.now() - head.made) / 60000);
    var box = find("age");
    var text;
    if (minutes < 0) {
      text = "This device's clock is before the time at which this was made: the age is not known.";
    } else if (minutes < 60) {
      text = minutes + (minutes === 1 ? " minute old" : " minutes old");
    } else {
      var hours = Math.floor(minutes / 60);
      text = hours + (hours === 1 ? " hour " : " hours ") + (minutes % 60) + " minutes old";
    }
    box.textContent = "";
    var big = document.createElement("p");
    big.className = minutes < 0 || minutes > 240 ? "age old" : "age";
    big.textContent = text;
    var when = document.createElement("p");
    when.className = "quiet";
    when.textContent = "Made " + clock(head.made) + ". It opens until " + clock(head.expires) + ". What has changed since then is not in it.";
    box.appendChild(big);
    box.appendChild(when);
  }

  function derive(passphrase) {
    return crypto.subtle.importKey("raw", encode.encode(passphrase), "PBKDF2", false, ["deriveKey"]).then(function (raw) {
      return crypto.subtle.deriveKey(
        { name: "PBKDF2", hash: "SHA-256", salt: bytes(head.salt), iterations: head.iterations },
        raw, { name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
    });
  }
  function undo(withKey, iv, data, bound) {
    return crypto.subtle.decrypt({ name: "AES-GCM", iv: bytes(iv), additionalData: encode.encode(bound) }, withKey, bytes(data));
  }
  function shut(withKey, text, bound) {
    var iv = crypto.getRandomValues(new Uint8Array(12));
    return crypto.subtle.encrypt({ name: "AES-GCM", iv: iv, additionalData: encode.encode(bound) }, withKey, encode.encode(text)).then(function (data) {
      return { iv: base64(iv), data: base64(data) };
    });
  }

  // What is kept on this device, as far as it keeps anything. Both windows' entries stay: they only ever grow.
  function load() {
    var text = null;
    try { text = localStorage.getItem(place); } catch (error) { return Promise.resolve(); }
    if (!text) { return Promise.resolve(); }
    var held;
    try { held = JSON.parse(text); } catch (error) { return Promise.resolve(); }
    return undo(key, held.iv, held.data, place).then(function (plain) {
      var found = JSON.parse(decode.decode(plain));
      var known = {};
      kept.entries.forEach(function (it) { known[it.id] = true; });
      found.entries.forEach(function (it) { if (!known[it.id]) { kept.entries.push(it); } });
      found.opened.forEach(function (it) { if (kept.opened.indexOf(it) < 0) { kept.opened.push(it); } });
      if (found.out > kept.out) { kept.out = found.out; }
    });
  }
  function keep() {
    return load().catch(function () {
      // What stands there does not open: it is left where it is, beside what is kept now.
      try { localStorage.setItem(place + ".unread", localStorage.getItem(place)); } catch (error) { return; }
    }).then(function () {
      return shut(key, JSON.stringify(kept), place);
    }).then(function (held) {
      var text = JSON.stringify(held);
      try {
        localStorage.setItem(place, text);
        if (localStorage.getItem(place) === text) { return true; }
      } catch (error) { return false; }
      return false;
    });
  }

  function file() {
    var pack = inside.more.pack;
    var text = JSON.stringify({ v: 1, entries: kept.entries, opened: kept.opened });
    return crypto.subtle.importKey("raw", bytes(inside.more.key), "AES-GCM", false, ["encrypt"]).then(function (back) {
      return shut(back, text, "handover visits " + pack);
    }).then(function (held) {
      return JSON.stringify({ handover: "visits", v: 1, pack: pack, iv: held.iv, data: held.data });
    });
  }
  function takeOut() {
    return file().then(function (text) {
      var link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
      link.download = "visits-" + inside.more.day + "-" + inside.more.pack.slice(0, 8) + "-" + kept.entries.length + ".json";
      link.click();
      kept.out = new Date().toISOString();
      return keep();
    }).then(function () {
      say("said", "good", "Saved as a file, locked, with " + kept.entries.length + " written so far. Bring it to the page Visits, Synchronise. It may be sent more than once: nothing arrives twice.");
      show();
    });
  }
  // The entries stand behind the #, which browsers do not send; the page there puts them into its form.
  function synchronise(event) {
    var link = event.target;
    if (link.getAttribute("data-ready") === "yes") { link.setAttribute("data-ready", "no"); return; }
    event.preventDefault();
    file().then(function (text) {
      if (text.length > 700000) {
        say("said", "wrong", "There is too much to hand over so. Save it as a file, and bring the file.");
        return;
      }
      link.href = inside.more.sync + "#" + btoa(text).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
      link.setAttribute("data-ready", "yes");
      link.click();
    });
  }

  var LABELS = { systolic: "blood pressure, upper", diastolic: "lower", pulse: "pulse", temperature: "temperature", oxygen: "oxygen saturation", respirations: "respirations", weight: "weight" };
  function told(entry) {
    var parts = [(entry.outcome === "done" ? "Done" : "Not done") + ", " + clock(entry.happened)];
    if (entry.reason) { parts.push("because: " + entry.reason); }
    Object.keys(entry.observations).forEach(function (name) { parts.push(LABELS[name] + " " + entry.observations[name]); });
    if (entry.note) { parts.push(entry.note); }
    if (entry.next) { parts.push("next visit " + entry.next.day + " " + entry.next.time + ": " + entry.next.what); }
    return parts.join(" · ");
  }
  function show() {
    document.querySelectorAll("[data-written]").forEach(function (box) {
      var visit = box.getAttribute("data-written");
      box.textContent = "";
      kept.entries.filter(function (it) { return it.visit === visit; }).forEach(function (it) {
        var p = document.createElement("p");
        p.className = "written";
        p.textContent = told(it);
        box.appendChild(p);
      });
    });
    var box = find("count");
    if (!box) { return; }
    var count = kept.entries.length;
    var waits = kept.entries.filter(function (it) { return it.written > kept.out; }).length;
    box.textContent = count === 0 ? "Nothing is written yet."
      : count + " written on this device, " + waits + " of them since the last file was saved. They are not in the record until they are synchronised.";
  }

  function value(form, name) {
    var field = form.elements[name];
    return field ? String(field.value).trim() : "";
  }
  function written(form) {
    var faults = [];
    var outcome = value(form, "outcome");
    if (!outcome) { faults.push("Say whether the visit was done."); }
    var reason = value(form, "reason");
    if (outcome === "not-done" && !reason) { faults.push("Say why it was not done."); }
    var happened = new Date(value(form, "happened"));
    if (isNaN(happened.getTime())) { faults.push("Say when it really happened."); }
    else if (happened.getTime() > Date.now() + 300000) { faults.push("When it happened is in the future."); }
    var observations = {};
    form.querySelectorAll("[data-observation]").forEach(function (field) {
      if (field.validity && field.validity.badInput) { faults.push(field.getAttribute("data-label") + " is not a number."); return; }
      var text = field.value.trim();
      if (!text) { return; }
      var number = Number(text);
      var low = Number(field.getAttribute("data-low"));
      var high = Number(field.getAttribute("data-high"));
      if (!isFinite(number) || number < low || number > high) {
        faults.push(field.getAttribute("data-label") + " is not from " + low + " to " + high + ".");
      } else { observations[field.getAttribute("data-observation")] = number; }
    });
    if (("systolic" in observations) !== ("diastolic" in observations)) { faults.push("Write both parts of the blood pressure."); }
    var next = null;
    var day = value(form, "next-day");
    var what = value(form, "next-what");
    if (day || what) {
      if (!day || !what) { faults.push("Say of the next visit both the day and what is to be done."); }
      next = { day: day, time: value(form, "next-time") || "09:00", what: what };
    }
    var note = value(form, "note");
    if (outcome === "done" && !note && Object.keys(observations).length === 0) { faults.push("Write a note, or what was measured."); }
    if (kept.entries.length >= ENTRIES_MAX) { faults.push("This file holds no more. Save it as a file and synchronise."); }
    return { faults: faults, entry: { id: crypto.randomUUID(), visit: form.getAttribute("data-visit"), outcome: outcome, reason: reason, happened: faults.length ? "" : happened.toISOString(), written: new Date().toISOString(), observations: observations, note: note, next: next } };
  }
  function submitted(event) {
    event.preventDefault();
    var form = event.target;
    var found = written(form);
    var box = form.querySelector("[data-faults]");
    box.textContent = "";
    if (found.faults.length) {
      var summary = document.createElement("div");
      summary.className = "wrong";
      summary.tabIndex = -1;
      summary.setAttribute("role", "alert");
      found.faults.forEach(function (text) {
        var p = document.createElement("p");
        p.textContent = text;
        summary.appendChild(p);
      });
      box.appendChild(summary);
      summary.focus();
      return;
    }
    kept.entries.push(found.entry);
    keep().then(function (held) {
      form.reset();
      var details = form.closest("details");
      if (details) { details.open = false; }
      show();
      if (held) { say("said", "good", "Kept on this device, locked. Save it as a file as well, in case the device is lost."); }
      else { say("said", "wrong", "This device keeps nothing for this file. What you wrote is only in this window: save it as a file now, and after each visit."); }
      find("said").scrollIntoView();
    });
  }

  function opened() {
    kept.opened = kept.opened.concat([new Date().toISOString()]).slice(-OPENED_MAX);
    find("lock").hidden = true;
    if (head.expires <= Date.now()) {
      say("said", "wrong", "The time of this file is over (" + clock(head.expires) + "), so it shows nothing of patients any more." +
        (kept.entries.length ? " What you wrote in it, " + kept.entries.length + " in all, is still here: save it as a file and synchronise." : " Nothing was written in it on this device."));
      if (head.kind === "visits") { offer(); }
      return keep();
    }
    var box = find("inside");
    box.innerHTML = inside.html;
    box.hidden = false;
    box.querySelectorAll("form[data-visit]").forEach(function (form) { form.addEventListener("submit", submitted); });
    if (head.kind === "visits") { offer(); }
    var print = find("print");
    if (print) { print.addEventListener("click", function () { window.print(); }); }
    show();
    find("title").tabIndex = -1;
    find("title").focus();
    if (head.kind !== "visits") { return Promise.resolve(); }
    return keep().then(function (held) {
      if (!held) { say("said", "wrong", "This device keeps nothing for this file (a private window?). Save what you write as a file after each visit."); }
    });
  }
  function offer() {
    var bar = document.createElement("div");
    bar.className = "card screen";
    var count = document.createElement("p");
    count.id = "count";
    var save = document.createElement("button");
    save.type = "button";
    save.textContent = "Save what I wrote as a file";
    save.addEventListener("click", takeOut);
    var link = document.createElement("a");
    link.href = inside.more.sync;
    link.target = "_blank";
    link.rel = "noopener";
    link.textContent = "Synchronise now (needs the network)";
    link.addEventListener("click", synchronise);
    bar.appendChild(count);
    bar.appendChild(save);
    bar.appendChild(link);
    find("inside").before(bar);
    show();
  }

  find("lock").addEventListener("submit", function (event) {
    event.preventDefault();
    if (!globalThis.crypto || !crypto.subtle) {
      say("refusal", "wrong", "This browser does not unlock files. Open the file in a current Chrome, Edge, Firefox or Safari, from the device itself.");
      return;
    }
    var field = find("passphrase");
    say("refusal", "", "");
    find("open").disabled = true;
    derive(field.value).then(function (made) {
      return undo(made, sealed.iv, sealed.data, sealed.head).then(function (plain) {
        key = made;
        inside = JSON.parse(decode.decode(plain));
        field.value = "";
        return load().catch(function () {
          say("said", "wrong", "Something is kept on this device for this file that does not open. It was left where it is.");
        });
      });
    }).then(opened, function () {
      say("refusal", "wrong", "That is not the passphrase, or this file was changed.");
      find("open").disabled = false;
      field.focus();
      field.select();
    }).catch(function (error) {
      say("said", "wrong", "Something went wrong here: " + error.message);
    });
  });
  age();
  setInterval(age, 30000);
  if (head.expires <= Date.now()) {
    say("refusal", "wrong", "The time of this file is over. With the passphrase you can still save what was written in it.");
  }
})();
