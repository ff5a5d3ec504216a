"""Writes the file NAME as another program would, for the tests of dialects: written_files.py NAME PATH."""

import bz2, csv, gzip, io, json, lzma, sys, zipfile, zlib
from datetime import date, datetime, time, timedelta

name, path = sys.argv[1:]
TEXT = "id,note\n1,one\n2,two\n"
packed = TEXT.encode()


def write(data):
    with open(path, "wb") as out:
        out.write(data)


def table(**options):
    rows = [["id", "note"], [1, "semi;colon, comma"], [2, 'a "quote"'], [3, "two\nlines"], [4, "tab\there | pipe"]]
    out = io.StringIO()
    csv.writer(out, **options).writerows(rows)
    return out.getvalue()


def workbook():
    import openpyxl
    from openpyxl.worksheet.table import Table

    book = openpyxl.Workbook()
    notes = book.active
    notes.title = "Read me"
    notes["A1"] = "nothing here"
    sheet = book.create_sheet("Orders 2026")
    sheet.append(["id", "note", "price", "ordered", "at", "paid", "spent"])
    sheet.append([1, "plain", 12.5, date(2026, 1, 31), datetime(2026, 1, 31, 10, 30), True, timedelta(hours=30)])
    sheet.append([2, 'a, "b"\nc', 0.1 + 0.2, date(1900, 3, 1), datetime(2026, 12, 31, 23, 59, 59), False, None])
    sheet.append([3, "", None, None, None, None, None])
    sheet.append([])
    sheet.append([4, "007", 1e-7, date(9999, 12, 31), datetime(2026, 1, 1), True, timedelta(minutes=1)])
    book.save(path)


def formulas():
    import openpyxl

    book = openpyxl.Workbook()
    book.active.append(["id", "note"])
    book.active.append([1, "kept"])
    book.active.append(["=1+1", "no saved result"])
    book.save(path)


def xlsxwriter_formulas(value):
    """XlsxWriter stores 0 as the result of a formula unless the program gives one, and asks Excel to calculate all of them."""
    import xlsxwriter

    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet()
        sheet.write_row("A1", ["id", "note"])
        sheet.write_row("A2", [1, "kept"])
        sheet.write_formula("A3", "=1+1", None, value)
        sheet.write_formula("B3", "=TODAY()", book.add_format({"num_format": "yyyy-mm-dd"}), value and 46000)
        sheet.write_row("A4", [0, "a zero"])


def formats():
    """Numbers as Excel shows them: codes with zeros, percentages, durations, and a format that is not shown in texts."""
    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["zip", "article", "share", "price", "spent", "day", "total", "year"])
    for row in ([1067, 12345, 0.125, 12.5, timedelta(hours=30), date(2026, 1, 31), 1234.5, 2026],
                [50667, 7, 0, 3, timedelta(minutes=1), date(2026, 2, 1), 5, 2025],
                [123, "x7", 1, 12.567, timedelta(0), date(2026, 2, 1), 0, 24]):
        sheet.append(row)
    codes = ["00000", "0000-000", "0%", "0.00", "[h]:mm:ss", "yyyy-mm-dd", "#,##0.00", "0"]
    for row in sheet.iter_rows(min_row=2):
        for cell, code in zip(row, codes):
            cell.number_format = code
    book.save(path)


def frame():
    import pandas

    data = pandas.DataFrame({
        "id": [1, 2, 3],
        "note": ["a,b", None, 'x "y"'],
        "price": [1.5, float("nan"), 2.25],
        "at": pandas.to_datetime(["2026-01-31 10:00", "2026-01-31 10:00:00.123456", None], format="mixed"),
    })
    return data


if name in ("gzip", "bzip2", "xz", "zstd"):
    import zstandard

    write({"gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress,
           "zstd": zstandard.ZstdCompressor().compress}[name](packed))
elif name == "zstd frames":
    import zstandard

    cut = len(packed) // 2
    write(b"".join(zstandard.ZstdCompressor().compress(part) for part in (packed[:cut], packed[cut:])))
elif name == "zstd stream":
    import zstandard

    with open(path, "wb") as out, zstandard.ZstdCompressor(level=19).stream_writer(out) as stream:
        stream.write(packed)
elif name == "bzip2 streams":
    write(bz2.compress(packed[:9]) + bz2.compress(packed[9:]))
elif name == "xz streams":
    write(lzma.compress(packed[:9]) + lzma.compress(packed[9:]))
elif name == "gzip zeros":
    write(gzip.compress(packed[:9]) + gzip.compress(packed[9:]) + bytes(10240))
elif name == "zstd of gigabytes":
    # A frame that asks for a window of 2 GiB: no flags, the window, and one raw block, which is the last.
    write(bytes.fromhex("28b52ffd00") + bytes([21 << 3]) + (len(packed) << 3 | 1).to_bytes(3, "little") + packed)
elif name == "xz of gigabytes":
    # The size of the dictionary in the header of the block is set to 4 GiB.
    whole = bytearray(lzma.compress(packed))
    end = 12 + (whole[12] + 1) * 4
    whole[16] = 40
    whole[end - 4:end] = zlib.crc32(whole[12:end - 4]).to_bytes(4, "little")
    write(bytes(whole))
elif name.startswith("zip"):
    method = zipfile.ZIP_STORED if name == "zip stored" else zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(path, "w", method) as archive:
        if name == "zip of a Mac":
            archive.writestr("__MACOSX/._orders.csv", b"\0\1")
            archive.writestr("orders/", b"")
            archive.writestr("orders/.DS_Store", b"\0")
        archive.writestr("orders/orders.csv", packed)
        if name == "zip two":
            archive.writestr("more.csv", packed)
        if name == "zip same names":
            archive.writestr("orders/orders.csv", packed.replace(b"one", b"uno"))
    if name == "zip joined":
        with open(path, "rb") as one:
            write(one.read() * 2)
    if name == "zip after a program":
        with open(path, "rb") as one:
            write(b"PK\3\4 not an entry" + one.read())
elif name == "bomb":
    with gzip.open(path, "wb", 9) as out:
        for _ in range(300):
            out.write(b"#" * 999_999 + b"\n")
elif name == "excel":
    write(table().encode("utf-8-sig"))
elif name == "excel-tab utf-16":
    write(table(dialect="excel-tab").encode("utf-16"))
elif name == "semicolons cp1252":
    write(table(delimiter=";").encode("cp1252"))
elif name == "unix":
    write(table(dialect="unix").encode())
elif name == "backslash":
    write(table(doublequote=False, escapechar="\\").encode())
elif name == "no quotes":
    write(table(quoting=csv.QUOTE_NONE, escapechar="\\", delimiter="|").encode())
elif name == "apostrophes":
    write(table(quotechar="'", delimiter=";").encode())
elif name == "workbook":
    workbook()
elif name == "formulas":
    formulas()
elif name == "formulas of XlsxWriter":
    xlsxwriter_formulas(0)
elif name == "results of XlsxWriter":
    xlsxwriter_formulas(2)
elif name == "xls":
    import xlwt

    book = xlwt.Workbook()
    sheet = book.add_sheet("Orders")
    for column, text in enumerate(["id", "note"]):
        sheet.write(0, column, text)
    book.save(path)
elif name == "ods":
    frame().to_excel(path, index=False, engine="odf")
elif name in ("xlsb", "docx"):
    inner = {"xlsb": "xl/workbook.bin", "docx": "word/document.xml"}[name]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr(inner, "<x/>")
elif name == "sqlite":
    import sqlite3

    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE t (id int)")
elif name == "html":
    import pandas

    pandas.DataFrame({"id": [1], "note": ["one"]}).to_html(path)
elif name == "tar.gz":
    import tarfile

    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo("orders.csv")
        member.size = len(packed)
        archive.addfile(member, io.BytesIO(packed))
elif name == "formats":
    formats()
elif name == "titled workbook":
    import openpyxl

    book = openpyxl.Workbook()
    for row in (["A long title of the report"], [], ["id", "note"], [1, "one"], [1, "again"], [2, "two"]):
        book.active.append(row)
    book.save(path)
elif name == "long ids":
    import openpyxl

    book = openpyxl.Workbook()
    for row in (["id", "note"], [1234567890123456, "one"], [1234567890123457, "two"], [12345678901234567, "lost"], [1e21, "big"]):
        book.active.append(row)
    book.save(path)
elif name == "workbook bomb":
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", bytes(300_000_000))
elif name in ("far cell", "wide cell"):
    workbook()
    with zipfile.ZipFile(path) as archive:
        files = {entry: archive.read(entry) for entry in archive.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    if name == "wide cell":
        files[sheet] = files[sheet].replace(b'r="A1"', b'r="AAAAAAAAAA1"')
    else:
        files[sheet] = files[sheet].replace(b'r="A1"', b'r="A4000000000"').replace(b'r="1"', b'r="4000000000"')
    with zipfile.ZipFile(path, "w") as archive:
        for entry, data in files.items():
            archive.writestr(entry, data)
elif name == "pandas.csv":
    frame().to_csv(path, index=False)
elif name == "pandas.jsonl":
    frame().to_json(path, orient="records", lines=True, date_format="iso", date_unit="us")
elif name == "pandas.json":
    frame().to_json(path, orient="records", date_format="iso", date_unit="us", indent=2)
elif name == "pandas.xlsx":
    frame().to_excel(path, index=False)
else:
    sys.exit(f"no file {name}")
