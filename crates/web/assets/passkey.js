// Asks the browser for a passkey and sends it with the page's form. What to ask for stands in the form.
(function () {
  var form = document.querySelector("form[data-passkey]");
  if (!form) {
    return;
  }
  var told = form.querySelector("[data-told]");
  function tell(text) {
    told.textContent = text;
  }
  function bytes(text) {
    var plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    return Uint8Array.from(plain, function (letter) {
      return letter.charCodeAt(0);
    });
  }
  function text(buffer) {
    var plain = String.fromCharCode.apply(null, new Uint8Array(buffer));
    return btoa(plain).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  }
  function known(list) {
    return (list || []).map(function (one) {
      return { type: one.type, id: bytes(one.id) };
    });
  }
  function task() {
    var asked = JSON.parse(form.dataset.options).publicKey;
    asked.challenge = bytes(asked.challenge);
    if (form.dataset.passkey === "get") {
      asked.allowCredentials = known(asked.allowCredentials);
      return navigator.credentials.get({ publicKey: asked });
    }
    asked.user.id = bytes(asked.user.id);
    asked.excludeCredentials = known(asked.excludeCredentials);
    // Kept on the device, so that nobody has to type a user name before it is used.
    asked.authenticatorSelection = asked.authenticatorSelection || {};
    asked.authenticatorSelection.residentKey = "required";
    asked.authenticatorSelection.requireResidentKey = true;
    return navigator.credentials.create({ publicKey: asked });
  }
  function written(found) {
    var answer = found.response;
    var response = { clientDataJSON: text(answer.clientDataJSON) };
    if (answer.attestationObject) {
      response.attestationObject = text(answer.attestationObject);
    } else {
      response.authenticatorData = text(answer.authenticatorData);
      response.signature = text(answer.signature);
      response.userHandle = answer.userHandle ? text(answer.userHandle) : null;
    }
    return JSON.stringify({
      id: found.id,
      rawId: text(found.rawId),
      type: found.type,
      response: response,
      extensions: {}
    });
  }
  form.addEventListener("submit", function (event) {
    event.preventDefault();
    if (!window.PublicKeyCredential) {
      tell("This browser cannot use passkeys.");
      return;
    }
    tell("");
    task()
      .then(function (found) {
        form.elements.credential.value = written(found);
        form.submit();
      })
      .catch(function () {
        tell("Your browser did not give a passkey. Try again, or go another way.");
      });
  });
})();
