"""A FHIR client that others wrote (PyPI fhirpy) at a node: what it expects of a server is what it gets."""

import os

from fhirpy import SyncFHIRClient
from fhirpy.base.exceptions import MultipleResourcesFound, OperationOutcome, ResourceNotFound

client = SyncFHIRClient(
    os.environ["HANDOVER_TEST_FHIR"],
    authorization="Bearer " + os.environ["HANDOVER_TEST_TOKEN"],
    # Its count() sends a parameter of another server's.
    extra_headers={"Prefer": "handling=lenient"},
)
number = {"system": "https://example.org/number", "value": "F1"}
by_number = "{system}|{value}".format(**number)

patients = client.resources("Patient")
patient = client.resource("Patient", identifier=[number], name=[{"family": "Example", "given": ["Femi"]}])
patient.save()
assert patient.id
assert client.reference("Patient", patient.id).to_resource()["name"][0]["family"] == "Example"

# What is there is found, and not made again.
changed, created = patients.search(identifier=by_number).update(
    client.resource("Patient", identifier=[number], active=True)
)
assert (changed.id, created) == (patient.id, False)

patient = patients.search(identifier=by_number).get()
assert patient["active"] is True
patient["birthDate"] = "1970-02-03"
patient.save()
patient.refresh()
assert patient["birthDate"] == "1970-02-03"

for value in range(5):
    client.resource(
        "Observation",
        status="final",
        code={"text": f"Reading {value}"},
        subject=patient.to_reference(),
        valueQuantity={"value": value + 0.5, "unit": "mmol/L"},
    ).save()
readings = client.resources("Observation").search(subject=patient.to_reference().reference)
assert readings.count() == 5
assert len(readings.limit(2).fetch_all()) == 5
try:
    readings.get()
    raise AssertionError("five were taken for one")
except MultipleResourcesFound:
    pass

bundle = client.resource(
    "Bundle",
    type="transaction",
    entry=[
        {
            "fullUrl": "urn:uuid:00000000-0000-4000-8000-000000000001",
            "resource": {"resourceType": "Organization", "name": "Example Ward"},
            "request": {"method": "POST", "url": "Organization"},
        },
        {
            "resource": {
                "resourceType": "Patient",
                "managingOrganization": {"reference": "urn:uuid:00000000-0000-4000-8000-000000000001"},
            },
            "request": {"method": "POST", "url": "Patient"},
        },
    ],
)
bundle.save()

try:
    client.resource("Patient", nam="wrong").save()
    raise AssertionError("a wrong resource was taken")
except OperationOutcome as problem:
    assert "structure" in str(problem), problem
reading = readings.first()
reading.delete()
try:
    client.reference("Patient", "nobody").to_resource()
    raise AssertionError("nobody was found")
except ResourceNotFound:
    pass
print("fhirpy: create, read, update, conditional create and update, search, count, pages, transaction, delete, refusals")
