"""Person names and sequences, and keywords that no file has."""

from __future__ import annotations

from collections import Counter

from pydicom.dataset import Dataset

from beds.answers.reading import answer, by_series, by_uid, of, phantoms, rows, text, the, z


@answer
def names_are_structs(data):
    names = Counter((d.PatientName.family_name, d.PatientName.given_name) for d in data if "PatientName" in d)
    return rows("family given n", sorted((*name, n) for name, n in names.items() if name[1]))


@answer
def slice_span(data):
    found = [
        (uid, round(max(map(z, part)) - min(map(z, part)), 3))
        for uid, part in by_series(phantoms(data)).items()
    ]
    return rows("SeriesInstanceUID span", sorted(found, key=lambda row: -row[1]))


@answer
def segments(data):
    seg = the(data, "SEG")
    return rows(
        "SeriesInstanceUID SegmentNumber SegmentLabel meaning",
        (
            (
                seg.SeriesInstanceUID,
                item.SegmentNumber,
                item.SegmentLabel,
                item.SegmentedPropertyTypeCodeSequence[0].CodeMeaning,
            )
            for item in seg.SegmentSequence
        ),
    )


@answer
def segmentations_table(data):
    seg = the(data, "SEG")
    [item] = seg.SegmentSequence
    [category], [type_] = item.SegmentedPropertyCategoryCodeSequence, item.SegmentedPropertyTypeCodeSequence
    source = seg.ReferencedSeriesSequence[0].SeriesInstanceUID
    assert type_.CodeMeaning == "Liver"
    assert "AnatomicRegionSequence" not in item
    assert source not in {d.SeriesInstanceUID for d in data}
    return rows(
        "SegmentNumber category code scheme AnatomicRegion segmented_SeriesInstanceUID source_modality",
        [
            (
                item.SegmentNumber,
                category.CodeMeaning,
                type_.CodeValue,
                type_.CodingSchemeDesignator,
                None,
                source,
                None,
            )
        ],
    )


@answer
def comma_join_of_a_path(data):
    seg = the(data, "SEG")
    return rows(
        "PatientID SegmentAlgorithmType",
        ((seg.PatientID, s.SegmentAlgorithmType) for s in seg.SegmentSequence),
    )


@answer
def frames_of_a_segmentation(data):
    frames = the(data, "SEG").PerFrameFunctionalGroupsSequence
    positions = (str(frame.PlanePositionSequence[0].ImagePositionPatient[2]) for frame in frames)
    return rows("frame_number z", enumerate(positions))


@answer
def shared_functional_groups(data):
    [measures] = the(data, "SEG").SharedFunctionalGroupsSequence[0].PixelMeasuresSequence
    return rows("spacing thickness", [(float(measures.PixelSpacing[0]), str(measures.SliceThickness))])


@answer
def fields_without_an_alias(data):
    plan = the(data, "RTPLAN")
    return rows(
        "PatientID DoseReferenceNumber TargetPrescriptionDose offset",
        (
            (plan.PatientID, str(item.DoseReferenceNumber), text(item, "TargetPrescriptionDose"), place)
            for place, item in enumerate(plan.DoseReferenceSequence)
        ),
    )


@answer
def beams(data):
    [beam] = the(data, "RTPLAN").BeamSequence
    devices = sorted(beam.BeamLimitingDeviceSequence, key=lambda item: item.RTBeamLimitingDeviceType)
    return rows(
        "BeamName TreatmentMachineName RTBeamLimitingDeviceType pairs",
        (
            (
                beam.BeamName,
                beam.TreatmentMachineName,
                device.RTBeamLimitingDeviceType,
                int(device.NumberOfLeafJawPairs),
            )
            for device in devices
        ),
    )


@answer
def control_points(data):
    [beam] = the(data, "RTPLAN").BeamSequence
    weights = [float(point.CumulativeMetersetWeight) for point in beam.ControlPointSequence]
    return rows("BeamNumber points last_weight", [(str(beam.BeamNumber), len(weights), max(weights))])


@answer
def plan_of_a_dose(data):
    dose = the(data, "RTDOSE")
    known = {d.SOPInstanceUID for d in data}
    plans = [item.ReferencedSOPInstanceUID for item in dose.ReferencedRTPlanSequence]
    return rows("dose plan here", ((dose.SOPInstanceUID, plan, plan in known) for plan in plans))


@answer
def report_titles(data):
    return rows(
        "Modality title CompletionFlag VerificationFlag",
        (
            (d.Modality, d.ConceptNameCodeSequence[0].CodeMeaning, d.CompletionFlag, d.VerificationFlag)
            for d in by_uid(of(data, "Modality", "SR"))
        ),
    )


def concept(item: Dataset) -> str | None:
    names = item.get("ConceptNameCodeSequence")
    return names[0].CodeMeaning if names else None


@answer
def report_content(data):
    found = [
        (d.SOPInstanceUID, item.ValueType, concept(item), text(item, "TextValue"), item.RelationshipType)
        for d in of(data, "Modality", "SR")
        for item in d.ContentSequence
    ]
    found.sort(key=lambda row: [value or "" for value in row[:4]])
    return rows("ValueType RelationshipType concept TextValue", ((v, r, c, t) for _, v, c, t, r in found))


@answer
def nested_report_content(data):
    [report] = of(data, "SOPClassUID", "1.2.840.10008.5.1.4.1.1.88.33")
    found = [
        (outer.ValueType, len(outer.ContentSequence), place, inner.ValueType)
        for outer in report.ContentSequence
        for place, inner in enumerate(outer.get("ContentSequence", ()))
    ]
    return rows("outer_type n number inner_type", sorted(found))


@answer
def observers(data):
    items = [item for d in data for item in d.get("VerifyingObserverSequence", ())]
    found = ((item.VerifyingObserverName.family_name, item.VerifyingOrganization) for item in items)
    return rows("observer VerifyingOrganization", sorted(found))


@answer
def ultrasound_regions(data):
    chosen = sorted(of(data, "Modality", "US"), key=lambda d: d.Manufacturer)
    return rows(
        "Manufacturer i RegionDataType PhysicalDeltaX",
        (
            (d.Manufacturer, place, region.RegionDataType, region.PhysicalDeltaX)
            for d in chosen
            for place, region in enumerate(d.get("SequenceOfUltrasoundRegions", ()))
        ),
    )


@answer
def channels_of_a_waveform(data):
    found = (
        (
            w.MultiplexGroupLabel,
            w.NumberOfWaveformChannels,
            ", ".join(c.ChannelSourceSequence[0].CodeMeaning for c in w.ChannelDefinitionSequence),
        )
        for w in the(data, "ECG").WaveformSequence
    )
    return rows("MultiplexGroupLabel NumberOfWaveformChannels leads", sorted(found))


@answer
def annotations_of_a_waveform(data):
    items = the(data, "ECG").WaveformAnnotationSequence
    groups = {item.AnnotationGroupNumber for item in items if "AnnotationGroupNumber" in item}
    said = [item for item in items if text(item, "UnformattedTextValue")]
    return rows("annotations texts groups_", [(len(items), len(said), len(groups))])


@answer
def other_elements(data):
    found = (
        (d.SOPInstanceUID, "Tag_00091002", str(d[0x00091002].value)) for d in by_uid(data) if 0x00091002 in d
    )
    return rows("SOPInstanceUID Tag first", found)


@answer
def never_seen(data):
    absent = ("DiffusionBValue", "TubeAngle", "DiffusionGradientOrientation")
    assert not any(keyword in d for d in data for keyword in absent)
    return [{"n": len(data), "values_": 0, "others": 0, "components": None}]


@answer
def never_seen_inside_sequences(data):
    assert not any("IrradiationEventIdentificationSequence" in d for d in data)
    return []


@answer
def never_seen_inside_a_seen_sequence(data):
    [item] = the(data, "SEG").SegmentSequence
    assert not {"TrackingUID", "AnatomicRegionSequence"} & set(item.dir())
    return rows("SegmentLabel TrackingUID regions side", [(item.SegmentLabel, None, None, None)])
