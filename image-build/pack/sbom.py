# SPDX-License-Identifier: MIT
"""sbom.py - the bill of materials, SPDX 2.3 in JSON (https://spdx.github.io/spdx-spec/v2.3/): each package
with version, licence and checksum of its source, each file with the package that it comes from.
"""
import datetime
import hashlib
import json
import re

# Debian's short names (copyright-format 1.0) that SPDX has under another or the same name.
LICENCES = {
    "apache-2.0": "Apache-2.0", "artistic-1": "Artistic-1.0", "artistic": "Artistic-1.0-Perl",
    "bsd-2-clause": "BSD-2-Clause", "bsd-3-clause": "BSD-3-Clause", "bsd-4-clause": "BSD-4-Clause",
    "expat": "MIT", "mit": "MIT", "gpl-1+": "GPL-1.0-or-later", "gpl-2": "GPL-2.0-only",
    "gpl-2+": "GPL-2.0-or-later", "gpl-3": "GPL-3.0-only", "gpl-3+": "GPL-3.0-or-later",
    "lgpl-2": "LGPL-2.0-only", "lgpl-2+": "LGPL-2.0-or-later", "lgpl-2.1": "LGPL-2.1-only",
    "lgpl-2.1+": "LGPL-2.1-or-later", "lgpl-3": "LGPL-3.0-only", "lgpl-3+": "LGPL-3.0-or-later",
    "isc": "ISC", "mpl-1.1": "MPL-1.1", "mpl-2.0": "MPL-2.0", "zlib": "Zlib", "cc0-1.0": "CC0-1.0",
    "cc0": "CC0-1.0", "unlicense": "Unlicense", "gfdl-1.3": "GFDL-1.3-only", "cc-by-sa-4.0": "CC-BY-SA-4.0",
    "cc-by-4.0": "CC-BY-4.0", "ofl-1.1": "OFL-1.1", "psf-2": "PSF-2.0",
}
# Packages whose copyright file is no Debian machine-readable one: said by their own licence text.
KNOWN = {
    "keel": "MIT", "busybox": "GPL-2.0-only", "kmod": "LGPL-2.1-or-later AND GPL-2.0-or-later",
    "util-linux": "LGPL-2.1-or-later", "e2fsprogs": "GPL-2.0-only AND LGPL-2.0-only AND BSD-3-Clause AND MIT",
    "libgcc-s1": "GPL-3.0-or-later WITH GCC-exception-3.1", "musl-dev": "MIT",
    "linux-image": "GPL-2.0-only WITH Linux-syscall-note", "yyjson": "MIT", "libinih": "BSD-3-Clause", "libhttp-parser-xs-perl": "MIT",
}


def _spdx_id(kind, name):
    return f"SPDXRef-{kind}-" + re.sub(r"[^A-Za-z0-9.-]", "-", name)


def _reference(name, extracted):
    identifier = "LicenseRef-" + re.sub(r"[^A-Za-z0-9.-]+", "-", name).strip("-")
    extracted.setdefault(identifier, f"'{name}' in Debian's copyright file, shipped in /usr/share/doc.")
    return identifier


def _expression(field, extracted):
    """One "License:" field: names joined by and, or and commas."""
    words = re.split(r"(\s+and/or\s+|\s+or\s+|\s+and\s+|,\s*)", field.strip(), flags=re.I)
    result = []
    for word in words:
        if re.fullmatch(r"\s+(and/)?or\s+", word, flags=re.I):
            result.append(" OR ")
        elif re.fullmatch(r"\s+and\s+|,\s*", word, flags=re.I):
            result.append(" AND ")
        elif word:
            result.append(LICENCES.get(word.lower()) or _reference(word, extracted))
    text = "".join(result)
    return f"({text})" if " " in text else text


def licence(text, extracted):
    """(SPDX expression, why not) of a Debian copyright file."""
    if text is None or not re.search(r"^Format:", text, flags=re.M):
        return "NOASSERTION", "its copyright file is not in Debian's machine-readable format"
    fields = set(re.findall(r"^License:[ \t]*(\S.*)$", text, flags=re.M))
    if not fields:
        return "NOASSERTION", "its copyright file names no licence"
    return " AND ".join(sorted({_expression(field, extracted) for field in fields})), None


def _package(name, info, extracted):
    known = KNOWN.get("linux-image" if name.startswith("linux-image-") else name)
    declared, why = (known, None) if known else licence(info.get("copyright"), extracted)
    package = {
        "SPDXID": _spdx_id("Package", name), "name": name, "versionInfo": info["version"],
        "downloadLocation": "NOASSERTION", "filesAnalyzed": False, "copyrightText": "NOASSERTION",
        "licenseConcluded": "NOASSERTION", "licenseDeclared": declared,
        "supplier": info.get("supplier", "Organization: Debian"),
    }
    if why:
        package["comment"] = f"licence: {why}"
    if info.get("sha256"):
        package["checksums"] = [{"algorithm": "SHA256", "checksumValue": info["sha256"]}]
    if info.get("purl"):
        package["externalRefs"] = [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                                    "referenceLocator": info["purl"]}]
    return package


def _file(path, entry):
    return {
        "SPDXID": _spdx_id("File", hashlib.sha256(path.encode()).hexdigest()[:24]), "fileName": f"./{path}",
        "checksums": [{"algorithm": "SHA1", "checksumValue": hashlib.sha1(entry.data).hexdigest()},
                      {"algorithm": "SHA256", "checksumValue": hashlib.sha256(entry.data).hexdigest()}],
        "licenseConcluded": "NOASSERTION", "copyrightText": "NOASSERTION",
    }


def _relation(one, kind, other):
    return {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}


def document(tree, packages, version, epoch):
    """packages: {name: {version, sha256?, copyright?, purl?, linked_into?: [paths]}}. Text, one line a value."""
    extracted, files, relations = {}, [], []
    for path, entry in sorted(tree.items()):
        if entry.kind != "file":
            continue
        files.append(_file(path, entry))
        relations.append(_relation(_spdx_id("Package", entry.origin), "CONTAINS", files[-1]["SPDXID"]))
    identifiers = {file["fileName"][2:]: file["SPDXID"] for file in files}
    for name, info in sorted(packages.items()):
        for path in info.get("linked_into", ()):
            relations.append(_relation(identifiers[path], "STATIC_LINK", _spdx_id("Package", name)))
    listed = [_package(name, info, extracted) for name, info in sorted(packages.items())]
    created = datetime.datetime.fromtimestamp(epoch, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    digest = hashlib.sha256("".join(file["checksums"][1]["checksumValue"] for file in files).encode())
    return json.dumps({
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"keel-rootfs-{version}",
        "documentNamespace": f"https://spdx.org/spdxdocs/keel-rootfs-{version}-{digest.hexdigest()[:32]}",
        "creationInfo": {"created": created, "creators": ["Tool: keel image-build"]},
        "packages": listed, "files": files,
        "hasExtractedLicensingInfos": [{"licenseId": key, "extractedText": value, "name": key}
                                       for key, value in sorted(extracted.items())],
        "relationships": [_relation("SPDXRef-DOCUMENT", "DESCRIBES", _spdx_id("Package", "keel"))] + relations,
    }, indent=1, sort_keys=True) + "\n"
