"""Which attributes of CT, RTSTRUCT, RTDOSE, RTPLAN and SEG keep, lose or change their value when identity is removed.

Follows DICOM PS3.15 Table E.1-1, column Basic Profile, and is stricter: text, names, dates and bytes that stand in none
of these sets are removed, also where the standard would keep them. X, Z, D, U, C are the table's action codes.
"""

from __future__ import annotations

__all__ = [
    "CLEANED_NAMES",
    "DATES_OF_THE_STUDY",
    "DUMMY",
    "EMPTY",
    "FIRST_CODED_GROUP",
    "FIXED_CODES",
    "KEPT_TEXT",
    "PATIENT_CHARACTERISTICS",
    "PIXELS",
    "REMOVED",
    "REMOVED_GROUPS",
    "STANDARD_CODING_SCHEMES",
    "TYPE_1_DATES",
]

KEPT_TEXT = frozenset({
    "Manufacturer", "ManufacturerModelName", "SoftwareVersions", "ConvolutionKernel", "FilterType", "RescaleType",
    "SegmentAlgorithmName", "AlgorithmName", "AlgorithmVersion", "SourceIsotopeName", "DimensionDescriptionLabel",
    "CodeValue", "CodingSchemeDesignator", "CodingSchemeVersion", "CodeMeaning", "LongCodeValue",
})  # fmt: skip
"""Technical texts that no person is named in; each is still dropped when it holds one of the patient's own texts."""

EMPTY = frozenset({
    "AccessionNumber", "ReferringPhysicianName", "StudyID", "StudyDate", "StudyTime", "ContentDate", "ContentTime",
    "PatientBirthDate", "PatientSex", "OperatorsName", "PositionReferenceIndicator", "ContentCreatorName",
    "ContentDescription", "ContrastBolusAgent", "ROIInterpreter", "StructureSetDate", "StructureSetTime", "RTPlanDate",
    "RTPlanTime", "ReviewDate", "ReviewTime", "ReviewerName", "TreatmentMachineName", "FixationDeviceLabel",
    "ShieldingDeviceLabel", "MaterialID", "PrescriptionNotes", "FractionationNotes",
})  # fmt: skip
"""Z, X/Z and Z/D: type 2 in these objects, so that they stay with no value."""

DUMMY = {
    "StructureSetLabel": "REMOVED",
    "RTPlanLabel": "REMOVED",
    "ApplicatorID": "REMOVED",
    "GeneralAccessoryID": "REMOVED",
    "StackID": "1",
    "DeviceSerialNumber": "REMOVED",
    "TreatmentPositionGroupLabel": "REMOVED",
    "SourceStrengthReferenceDate": "19000101",
    "SourceStrengthReferenceTime": "000000",
    "FrameAcquisitionDateTime": "19000101000000",
    "FrameReferenceDateTime": "19000101000000",
}
"""D: type 1, so that another value takes the place."""

TYPE_1_DATES = {"ContentDate": "19000101", "ContentTime": "000000", "AcquisitionDateTime": "19000101000000"}
"""Type 1 in enhanced images and segmentations (Z/D of the table); there they get these values."""

CLEANED_NAMES = {"ROIName": "ROI", "SegmentLabel": "Segment"}
"""C: names of structures; a name of the nomenclature stays as its standard name, any other becomes a number."""

REMOVED = frozenset({
    "PatientAge", "PatientSize", "PatientWeight", "PregnancyStatus", "SmokingStatus", "PatientSexNeutered",
    "AcquisitionContextSequence", "ActualHumanPerformersSequence", "AdmittingDiagnosesCodeSequence",
    "AuthorObserverSequence", "ConsultingPhysicianIdentificationSequence", "ContentCreatorIdentificationCodeSequence",
    "ContentSequence", "CustodialOrganizationSequence", "DigitalSignaturesSequence", "GraphicAnnotationSequence",
    "IconImageSequence", "InstitutionCodeSequence", "InstitutionalDepartmentTypeCodeSequence",
    "InstanceOriginStatus", "IntendedRecipientsOfResultsIdentificationSequence", "IssuerOfAccessionNumberSequence",
    "IssuerOfAdmissionIDSequence", "IssuerOfServiceEpisodeIDSequence", "MACParametersSequence",
    "EncryptedAttributesSequence", "ModifiedAttributesSequence", "NonconformingModifiedAttributesSequence",
    "OperatorIdentificationSequence", "OriginalAttributesSequence", "OtherPatientIDsSequence", "ParticipantSequence",
    "PatientInsurancePlanCodeSequence", "PatientPrimaryLanguageCodeSequence",
    "PatientPrimaryLanguageModifierCodeSequence", "PerformedStationGeographicLocationCodeSequence",
    "PerformedStationNameCodeSequence", "PerformingPhysicianIdentificationSequence",
    "PersonIdentificationCodeSequence", "PhysiciansOfRecordIdentificationSequence",
    "PhysiciansReadingStudyIdentificationSequence", "ReasonForRequestedProcedureCodeSequence",
    "ReasonForVisitCodeSequence", "ReferencedDigitalSignatureSequence", "ReferencedPatientAliasSequence",
    "ReferencedPatientPhotoSequence", "ReferencedPatientSequence", "ReferencedPerformedProcedureStepSequence",
    "ReferencedSOPInstanceMACSequence", "ReferencedStudySequence", "ReferringPhysicianIdentificationSequence",
    "RequestAttributesSequence", "ROICreatorSequence", "ROIInterpreterSequence", "ScheduledHumanPerformersSequence",
    "ScheduledPerformingPhysicianIdentificationSequence", "ScheduledStationGeographicLocationCodeSequence",
    "ScheduledStationNameCodeSequence", "TransducerIdentificationSequence", "UDISequence",
    "VerifyingObserverSequence", "VerifyingObserverIdentificationCodeSequence", "TrackingUID",
    "DataSetTrailingPadding", "OtherClinicalTrialProtocolIDsSequence", "PatientSpeciesCodeSequence",
    "PatientBreedCodeSequence", "BreedRegistrationSequence",
})  # fmt: skip
"""X among numbers, codes and sequences (texts are removed anyway). Tracking UID goes with its Tracking ID."""

REMOVED_GROUPS = frozenset({0x0012, 0x0016, 0x0032, 0x0038, 0x4000, 0x4008})
"""Clinical trial, camera and GPS, study management, visit, text, results: removed as a whole, also inside sequences."""

PATIENT_CHARACTERISTICS = frozenset({"PatientSex", "PatientAge", "PatientSize", "PatientWeight"})
"""Kept on request (Retain Patient Characteristics Option)."""

DATES_OF_THE_STUDY = frozenset({
    "StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate", "InstanceCreationDate", "StructureSetDate",
    "RTPlanDate", "ReviewDate", "AcquisitionDateTime", "FrameAcquisitionDateTime", "FrameReferenceDateTime",
    "StudyTime", "SeriesTime", "AcquisitionTime", "ContentTime", "InstanceCreationTime", "StructureSetTime",
    "RTPlanTime", "ReviewTime",
})  # fmt: skip
"""Shifted on request (Retain Longitudinal Temporal Information with Modified Dates Option)."""

FIXED_CODES = frozenset({"SpecificCharacterSet", "ImageType", "FrameType", "Modality", "PatientPosition"})
FIRST_CODED_GROUP = 0x0028
"""Code strings that are always kept: those of fixed meaning, and all of image, segmentation and RT groups, whose terms
the standard defines (a patient called Plan must not cost a dose its summation type PLAN)."""

PIXELS = frozenset({
    "PixelData", "FloatPixelData", "DoubleFloatPixelData", "ExtendedOffsetTable", "ExtendedOffsetTableLengths",
    "LUTData",
})  # fmt: skip
"""Bytes that are kept; all other bytes (overlays, documents, unknown ones) are removed."""

STANDARD_CODING_SCHEMES = frozenset(
    {"DCM", "SCT", "SRT", "SNM3", "99SDM", "FMA", "UCUM", "NCIt", "LN", "MSH", "RADLEX", "UMLS", "UBERON"}
)
"""Codes of other schemes, whose meaning anybody may have written, are replaced as a whole."""
