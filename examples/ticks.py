"""ticks.py RUN_FOLDER: prints a line for each stored tick: its run, its number, its bytes and their CRC-32."""
import pathlib, subprocess, sys, zlib

def varint(data, at):
    value = shift = 0
    while True:
        byte, at = data[at], at + 1
        value, shift = value | (byte & 127) << shift, shift + 7
        if byte < 128: return value, at

def header(tick):  # field 1 is the run, field 2 the number; all others are skipped
    at, run, number = 0, "", 0
    while at < len(tick):
        tag, at = varint(tick, at)
        if tag & 7 == 0: value, at = varint(tick, at)
        else:
            size, at = (8, at) if tag & 7 == 1 else (4, at) if tag & 7 == 5 else varint(tick, at)
            value, at = tick[at : at + size], at + size
        if tag == 10: run = value.decode()
        if tag == 16: number = value
    return run, number

for file in sorted(pathlib.Path(sys.argv[1]).glob("batch_*.pb*")):
    data, at = file.read_bytes(), 0
    if data[:4] == b"\x28\xb5\x2f\xfd":  # a zstd frame
        data = subprocess.run(["zstd", "-dc"], input=data, stdout=subprocess.PIPE, check=True).stdout
    while at < len(data):
        size, at = varint(data, at)
        tick, at = data[at : at + size], at + size
        print(*header(tick), size, f"{zlib.crc32(tick):08x}")
