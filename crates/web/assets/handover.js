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
