// Pages work without this script; it only saves a reload.
(function () {
  var live = document.querySelector("[data-live]");
  var board = document.getElementById("board");
  if (!live || !board || !window.EventSource || !window.fetch) {
    return;
  }
  var busy = false;
  var again = false;
  // Fetches this very page and takes its board over, so that there is one way to draw it.
  function refresh() {
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    fetch(window.location.href, { credentials: "same-origin", redirect: "error" })
      .then(function (answer) {
        if (!answer.ok) {
          throw new Error("not refreshed");
        }
        return answer.text();
      })
      .then(function (text) {
        var page = new DOMParser().parseFromString(text, "text/html");
        var fresh = page.getElementById("board");
        var focused = document.activeElement && document.activeElement.getAttribute("href");
        if (fresh) {
          // What somebody has ticked stays ticked.
          board.querySelectorAll("input[type=checkbox]:checked").forEach(function (box) {
            var same = fresh.querySelector('input[value="' + CSS.escape(box.value) + '"]');
            if (same) {
              same.checked = true;
            }
          });
          board.replaceWith(fresh);
          board = fresh;
          var link = focused && board.querySelector('a[href="' + CSS.escape(focused) + '"]');
          if (link) {
            link.focus();
          }
        }
      })
      .catch(function () {
        live.hidden = true;
      })
      .then(function () {
        busy = false;
        if (again) {
          again = false;
          refresh();
        }
      });
  }
  var events = new EventSource(live.getAttribute("data-live"));
  events.addEventListener("changed", refresh);
  // What changed while nobody listened shows now.
  events.addEventListener("open", function () {
    live.hidden = false;
    refresh();
  });
  events.addEventListener("error", function () {
    live.hidden = true;
  });
})();

// A list that people work through by keys does not move under their hands: that something came is said, and they reload it.
(function () {
  var news = document.querySelector("[data-news]");
  if (!news || !window.EventSource) {
    return;
  }
  var events = new EventSource(news.getAttribute("data-news"));
  events.addEventListener("changed", function () {
    news.hidden = false;
    events.close();
  });
})();

// What a day pack handed over behind the #, which never left the browser, goes into the form.
(function () {
  var field = document.querySelector("[data-from-address]");
  if (!field || window.location.hash.length < 2) {
    return;
  }
  try {
    field.value = atob(window.location.hash.slice(1).replace(/-/g, "+").replace(/_/g, "/"));
  } catch (error) {
    return;
  }
  window.history.replaceState(null, "", window.location.pathname);
})();

// A form whose questions depend on answers shows and hides them at once; without this script a button does.
(function () {
  var form = document.querySelector("[data-form-rules]");
  if (!form) {
    return;
  }
  var rules;
  try {
    rules = JSON.parse(form.getAttribute("data-form-rules"));
  } catch (error) {
    return;
  }
  function values(place) {
    var found = [];
    var name = rules[place].name;
    form.querySelectorAll('[name="' + name + '"]').forEach(function (field) {
      var counts = !/^(radio|checkbox)$/.test(field.type) || field.checked;
      if (counts && field.value.trim() !== "") {
        found.push(field.value.trim());
      }
    });
    var year = form.querySelector('[name="' + name + '-year"]');
    if (year && year.value.trim() !== "") {
      var part = function (of) {
        var field = form.querySelector('[name="' + name + of + '"]');
        return field && field.value.trim() ? "-" + ("0" + field.value.trim()).slice(-2) : "";
      };
      found.push(year.value.trim() + part("-month") + part("-day"));
    }
    return found;
  }
  function compared(given, wanted) {
    if (typeof wanted === "number") {
      return Number(given) - wanted;
    }
    return given === String(wanted) ? 0 : given < String(wanted) ? -1 : 1;
  }
  function meets(when, shown) {
    var given = shown[when.q] ? values(when.q) : [];
    if (when.op === "exists") {
      return when.v === given.length > 0;
    }
    return given.some(function (one) {
      var order = compared(one, when.v);
      switch (when.op) {
        case "=": return order === 0;
        case "!=": return order !== 0;
        case ">": return order > 0;
        case "<": return order < 0;
        case ">=": return order >= 0;
        default: return order <= 0;
      }
    });
  }
  function round(before) {
    var next = [];
    rules.forEach(function (rule) {
      var holds = rule.when.map(function (when) { return meets(when, before); });
      var asked = holds.length === 0 || (rule.all ? holds.every(Boolean) : holds.some(Boolean));
      next.push(asked && (rule.parent === null || next[rule.parent]));
    });
    return next;
  }
  function update() {
    var shown = rules.map(function () { return true; });
    for (var turn = 0; turn < 10; turn += 1) {
      shown = round(shown);
    }
    var places = [];
    form.querySelectorAll("[data-question]").forEach(function (question) {
      var place = Number(question.getAttribute("data-question"));
      question.hidden = !shown[place];
      if (shown[place]) {
        places.push(place);
      }
    });
    form.querySelector('[name="shown"]').value = places.join(",");
  }
  var button = form.querySelector("[data-form-update]");
  if (button) {
    button.hidden = true;
  }
  form.addEventListener("input", update);
  form.addEventListener("change", update);
  update();
})();
