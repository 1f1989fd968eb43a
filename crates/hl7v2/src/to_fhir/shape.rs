//! The shapes of the FHIR R4 elements that messages are mapped to: which type an element has and
//! whether it repeats. The full check of what is made is `fhir::validate`'s; this is what the
//! interpreter needs while it builds.
//!
//! Source: <https://hl7.org/fhir/R4/>, the definitions of the types named.

use std::collections::HashMap;
use std::sync::OnceLock;

/// An element: its type, and whether it repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// A primitive (`dateTime`), a data type (`Period`) or a backbone (`Patient.contact`).
    pub ty: &'static str,
    /// Whether there may be several.
    pub many: bool,
}

/// A type a line; `*` marks what repeats.
const SHAPES: &str = "
Patient identifier*:Identifier active:boolean name*:HumanName telecom*:ContactPoint gender:code birthDate:date deceasedBoolean:boolean deceasedDateTime:dateTime address*:Address maritalStatus:CodeableConcept multipleBirthBoolean:boolean multipleBirthInteger:integer contact*:Patient.contact communication*:Patient.communication generalPractitioner*:Reference managingOrganization:Reference
Patient.contact relationship*:CodeableConcept name:HumanName telecom*:ContactPoint address:Address gender:code organization:Reference period:Period
Patient.communication language:CodeableConcept preferred:boolean
Encounter identifier*:Identifier status:code class:Coding type*:CodeableConcept serviceType:CodeableConcept priority:CodeableConcept subject:Reference participant*:Encounter.participant period:Period length:Duration reasonCode*:CodeableConcept hospitalization:Encounter.hospitalization location*:Encounter.location serviceProvider:Reference
Encounter.participant type*:CodeableConcept period:Period individual:Reference
Encounter.hospitalization preAdmissionIdentifier:Identifier origin:Reference admitSource:CodeableConcept reAdmission:CodeableConcept dietPreference*:CodeableConcept specialCourtesy*:CodeableConcept specialArrangement*:CodeableConcept destination:Reference dischargeDisposition:CodeableConcept
Encounter.location location:Reference status:code physicalType:CodeableConcept period:Period
Observation identifier*:Identifier status:code category*:CodeableConcept code:CodeableConcept subject:Reference encounter:Reference effectiveDateTime:dateTime effectivePeriod:Period issued:instant performer*:Reference valueQuantity:Quantity valueCodeableConcept:CodeableConcept valueString:string valueBoolean:boolean valueInteger:integer valueRange:Range valueRatio:Ratio valueSampledData:SampledData valueTime:time valueDateTime:dateTime valuePeriod:Period dataAbsentReason:CodeableConcept interpretation*:CodeableConcept note*:Annotation bodySite:CodeableConcept method:CodeableConcept referenceRange*:Observation.referenceRange component*:Observation.component
Observation.referenceRange low:Quantity high:Quantity type:CodeableConcept text:string
Observation.component code:CodeableConcept valueQuantity:Quantity valueCodeableConcept:CodeableConcept valueString:string valueRange:Range valueRatio:Ratio valueTime:time valueDateTime:dateTime valuePeriod:Period dataAbsentReason:CodeableConcept interpretation*:CodeableConcept referenceRange*:Observation.referenceRange
DiagnosticReport identifier*:Identifier basedOn*:Reference status:code category*:CodeableConcept code:CodeableConcept subject:Reference encounter:Reference effectiveDateTime:dateTime effectivePeriod:Period issued:instant performer*:Reference resultsInterpreter*:Reference specimen*:Reference result*:Reference conclusion:string presentedForm*:Attachment
DocumentReference masterIdentifier:Identifier identifier*:Identifier status:code docStatus:code type:CodeableConcept category*:CodeableConcept subject:Reference date:instant author*:Reference authenticator:Reference custodian:Reference relatesTo*:DocumentReference.relatesTo description:string securityLabel*:CodeableConcept content*:DocumentReference.content context:DocumentReference.context
DocumentReference.relatesTo code:code target:Reference
DocumentReference.content attachment:Attachment format:Coding
DocumentReference.context encounter*:Reference period:Period facilityType:CodeableConcept practiceSetting:CodeableConcept sourcePatientInfo:Reference related*:Reference
Practitioner identifier*:Identifier active:boolean name*:HumanName telecom*:ContactPoint address*:Address gender:code birthDate:date qualification*:Practitioner.qualification
Practitioner.qualification identifier*:Identifier code:CodeableConcept period:Period issuer:Reference
Organization identifier*:Identifier active:boolean type*:CodeableConcept name:string alias*:string telecom*:ContactPoint address*:Address partOf:Reference contact*:Organization.contact
Organization.contact purpose:CodeableConcept name:HumanName telecom*:ContactPoint address:Address
Identifier use:code type:CodeableConcept system:uri value:string period:Period assigner:Reference
HumanName use:code text:string family:string given*:string prefix*:string suffix*:string period:Period
Address use:code type:code text:string line*:string city:string district:string state:string postalCode:string country:string period:Period
ContactPoint system:code value:string use:code rank:positiveInt period:Period
CodeableConcept coding*:Coding text:string
Coding system:uri version:string code:code display:string userSelected:boolean
Quantity value:decimal comparator:code unit:string system:uri code:code
Duration value:decimal comparator:code unit:string system:uri code:code
Range low:Quantity high:Quantity
Ratio numerator:Quantity denominator:Quantity
Period start:dateTime end:dateTime
SampledData origin:Quantity period:decimal factor:decimal dimensions:positiveInt data:string
Attachment contentType:code language:code data:base64Binary url:url size:unsignedInt hash:base64Binary title:string creation:dateTime
Annotation authorReference:Reference authorString:string time:dateTime text:markdown
Reference reference:string type:uri identifier:Identifier display:string
Meta security*:Coding tag*:Coding
";

type Types = HashMap<&'static str, HashMap<&'static str, Shape>>;

/// The shape of an element of a type; `None` when the type has no such element (or the mapping
/// has no use for it).
pub fn shape(ty: &str, element: &str) -> Option<Shape> {
    static TYPES: OnceLock<Types> = OnceLock::new();
    let types = TYPES.get_or_init(read);
    match element {
        "extension" => Some(Shape {
            ty: "Extension",
            many: true,
        }),
        "url" if ty == "Extension" => Some(Shape {
            ty: "uri",
            many: false,
        }),
        "meta" if ty.starts_with(char::is_uppercase) => Some(Shape {
            ty: "Meta",
            many: false,
        }),
        _ if ty == "Extension" => extension_value(types, element),
        _ => types.get(ty)?.get(element).copied(),
    }
}

/// Whether the type is a primitive: FHIR writes those with a small first letter.
pub fn is_primitive(ty: &str) -> bool {
    ty.starts_with(|c: char| c.is_ascii_lowercase())
}

fn read() -> Types {
    let lines = SHAPES.lines().filter_map(|line| line.split_once(' '));
    lines
        .map(|(ty, elements)| (ty, elements.split(' ').filter_map(element).collect()))
        .collect()
}

fn element(text: &'static str) -> Option<(&'static str, Shape)> {
    let (name, ty) = text.split_once(':')?;
    let many = name.ends_with('*');
    Some((name.trim_end_matches('*'), Shape { ty, many }))
}

/// An extension's `valueX` may have any type: X, its first letter small if that is a primitive.
fn extension_value(types: &Types, element: &str) -> Option<Shape> {
    const PRIMITIVES: [(&str, &str); 9] = [
        ("valueString", "string"),
        ("valueCode", "code"),
        ("valueDateTime", "dateTime"),
        ("valueDate", "date"),
        ("valueDecimal", "decimal"),
        ("valueBoolean", "boolean"),
        ("valueInteger", "integer"),
        ("valueUri", "uri"),
        ("valueMarkdown", "markdown"),
    ];
    let one = |ty| Some(Shape { ty, many: false });
    if let Some((_, ty)) = PRIMITIVES.iter().find(|(name, _)| *name == element) {
        return one(*ty);
    }
    let (ty, _) = types.get_key_value(element.strip_prefix("value")?)?;
    one(ty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_have_a_type_and_a_number() {
        assert_eq!(
            shape("Patient", "name"),
            Some(Shape {
                ty: "HumanName",
                many: true
            })
        );
        assert_eq!(
            shape("Extension", "valueCodeableConcept").map(|s| s.ty),
            Some("CodeableConcept")
        );
        assert_eq!(
            shape("birthDate", "extension").map(|s| s.ty),
            Some("Extension")
        );
        assert_eq!(shape("Patient", "note"), None);
    }

    #[test]
    fn every_type_named_is_described() {
        for line in SHAPES.lines().filter(|l| !l.is_empty()) {
            for element in line.split(' ').skip(1) {
                let ty = element.split(':').nth(1).unwrap();
                let known = is_primitive(ty) || SHAPES.contains(&format!("\n{ty} "));
                assert!(known, "{element} of {line}");
            }
        }
    }
}
