"""PyPI's fhirclient, an app for the command line: it says where the person is to go, is told where they came back, and reads."""

import json
import os
import sys

from fhirclient import client
from fhirclient.models import observation, patient

smart = client.FHIRClient(
    settings={
        "app_id": os.environ["HANDOVER_TEST_CLIENT"],
        "api_base": os.environ["HANDOVER_TEST_FHIR"],
        "redirect_uri": os.environ["HANDOVER_TEST_BACK"],
        "scope": os.environ["HANDOVER_TEST_SCOPE"],
    }
)
assert not smart.ready
print(smart.authorize_url, flush=True)
smart.handle_callback(sys.stdin.readline().strip())
assert smart.ready

told = {"patient": smart.patient_id, "name": patient.Patient.read(smart.patient_id, smart.server).name[0].family}
found = observation.Observation.where({"patient": smart.patient_id}).perform(smart.server)
told["observations"] = found.type
try:
    patient.Patient.read("samuel-okoro", smart.server)
    told["other"] = "seen"
except Exception as error:
    told["other"] = type(error).__name__
assert smart.reauthorize(), "the refresh token gave no new one"
told["again"] = patient.Patient.read(smart.patient_id, smart.server).id
print(json.dumps(told), flush=True)
