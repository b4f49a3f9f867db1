#!/usr/bin/env python3
"""`tickgate inspect` against real captures: inspect_real.py TICKGATE SHARED facts|tshark|robust

facts: what is known of the captures, figure by figure. tshark: the same messages as Wireshark's MoldUDP64 dissector
sees. robust: every file there, all reports: no signal, valid JSON, an exit code that says what the report says. Skipped
(exit code 77) where the captures, or tshark, are not at hand. Standard library only."""
import json
import os
import shutil
import subprocess
import sys

SKIP = 77
OPEN = 'pcap/nasdaq_totalview_itch50_moldudp64_vlan141_20230822-open-100pkts_dhsilv.pcap'
AAPL = 'itch_binaryfile/nasdaq_itch50_binaryfile_AAPL-locate13-first10k_20200130_runk.itch'
CUT = 'itch_binaryfile/nasdaq_itch50_binaryfile_startofday-101msgs-truncated_lukefasanello.itch'
ZERO = 'itch_binaryfile/THIRDPARTY-SYNTHETIC_itch50_zero-length-prefix_ritch.itch'
SCRUBBED = 'omi_single_packets/Nasdaq/Nasdaq.Equities.TotalView.Itch.v5.0.20230822'

tickgate, shared, what = sys.argv[1:4]
data = os.path.join(shared, 'data')
failures = []


def run(*args):
    done = subprocess.run([tickgate, 'inspect', *args], capture_output=True, timeout=300)
    return done.returncode, done.stdout, done.stderr.decode(errors='replace')


def report(name, *args):
    code, out, errors = run('--json', '--books', *args, os.path.join(data, name))
    return code, json.loads(out), errors


def expect(name, what_is, found, wanted):
    if found != wanted:
        failures.append(f'{name}: {what_is}: found {found!r}, expected {wanted!r}')


def facts():
    code, found, _ = report(OPEN)
    expect(OPEN, 'exit code', code, 0)
    for key, wanted in {
            'frames': 100, 'datagrams': 100, 'total': 269, 'gaps': [], 'duplicates': 0, 'heartbeats': 0,
            'messages': {'A': 125, 'U': 99, 'D': 30, 'F': 6, 'I': 5, 'E': 3, 'S': 1}, 'malformed': {},
            'first_seq': 14757701, 'last_seq': 14757969, 'error': None}.items():
        expect(OPEN, key, found[key], wanted)
    expect(OPEN, 'orphans', sum(found['orphans'].values()), 132)
    expect(OPEN, 'session', [c['session'] for c in found['channels']], ['000010059B'])
    expect(OPEN, 'lines', [l['group'] for l in found['channels'][0]['lines']], ['233.54.12.111:26477'])
    code, found, _ = report(OPEN, '--group', '233.54.12.112:26477')
    expect(OPEN, 'datagrams of another group', (found['datagrams'], found['notices']), (0, {'filtered': 100}))

    code, found, _ = report(AAPL)
    expect(AAPL, 'exit code', code, 0)
    expect(AAPL, 'messages', found['messages'], {'A': 4758, 'D': 4083, 'E': 849, 'P': 240, 'L': 52, 'U': 7, 'X': 6,
                                                 'F': 2, 'R': 1, 'H': 1, 'Y': 1})
    expect(AAPL, 'orphans', found['orphans'], {})
    expect(AAPL, 'live orders', found['live_orders'], 215)
    expect(AAPL, 'books', found['books'], {'AAPL': {
        'bid': [3201400, 25], 'ask': [3203000, 100], 'bid_levels': 79, 'ask_levels': 63, 'orders': 215,
        'bid_qty': 10103, 'ask_qty': 8211}})

    code, found, errors = report(CUT)
    expect(CUT, 'exit code', code, 1)
    expect(CUT, 'messages', found['messages'], {'R': 98, 'S': 1, 'H': 1, 'Y': 1})
    expect(CUT, 'left over', found['file'], {'left_over_bytes': 15})
    expect(CUT, 'sentence', '15 bytes are left over' in found['error'] and '15 bytes are left over' in errors, True)

    code, found, errors = report(ZERO)
    expect(ZERO, 'exit code', code, 1)
    expect(ZERO, 'messages', found['total'], 0)
    expect(ZERO, 'zero prefixes', found['file'], {'zero_prefixes': 1})
    expect(ZERO, 'sentence', 'length prefix at byte 0 is 0' in errors, True)

    # Addresses, sessions and sequence numbers zeroed: delivered, not arbitrated. Five packets of the type in the name.
    for name, letter in {'AddOrderNoMPID': 'A', 'AddOrderWithMPID': 'F', 'CrossTrade': 'Q', 'LULDAuctionCollar': 'J',
                         'NetOrderImbalanceIndicator': 'I', 'NonCrossTrade': 'P', 'OrderCancel': 'X',
                         'OrderDelete': 'D', 'OrderExecuted': 'E', 'OrderExecutedWithPrice': 'C', 'OrderReplace': 'U',
                         'RegSHORestriction': 'Y', 'StockTradingAction': 'H'}.items():
        path = f'{SCRUBBED}/{name}.pcap'
        code, found, _ = report(path)
        expect(path, 'messages', (found['messages'], found['unsequenced'], found['gaps'], code),
               ({letter: 5}, 5, [], 0))

    # Neither is MoldUDP64: everything is refused by reason, nothing becomes a message.
    for name, frames in {'pcap/miax_tom_mach_v1.9_omi-history.pcap': 20560,
                         'pcap/ice_impact_v1.1.33_omi-history.pcap': 8680}.items():
        code, found, _ = report(name)
        expect(name, 'frames', found['frames'], frames)
        expect(name, 'messages', found['total'], 0)
        expect(name, 'malformed', sum(found['malformed'].values()), found['datagrams'])

    # Two lines of MDP 3.0: every packet on both, within a few microseconds of each other.
    name = 'pcap/cme_mdp3_sbe_v1.6_omi-history.pcap'
    code, found, _ = report(name)
    expect(name, 'exit code', code, 0)
    expect(name, 'datagrams', found['datagrams'], 10000)
    expect(name, 'sequence', (found['first_seq'], found['last_seq']), (5615, 10614))
    expect(name, 'gaps', (found['gaps'], found['gap_count']), ([], 0))
    expect(name, 'duplicates', found['duplicates'], 5000)
    expect(name, 'lines', sorted((line['group'], line['port'], line['packets']) for line in found['lines']),
           [('224.0.31.64', 14340, 5000), ('224.0.32.64', 15340, 5000)])
    expect(name, 'first seen', sum(line['first_seen'] for line in found['lines']), 5000)
    expect(name, 'each line', [line['first_seen'] + line['duplicates'] for line in found['lines']], [5000, 5000])
    margins = sorted([round(line['win_margin_us'][key], 1) for key in ('min', 'p50', 'max')] for line in found['lines'])
    expect(name, 'win margins', margins, [[-15.4, -0.3, 6.1], [-6.1, 0.3, 15.4]])
    expect(name, 'lost', [line['lost'] for line in found['channels'][0]['lines']], [0, 0])
    expect(name, 'templates', found['channels'][0]['templates'], {'12': 9, '32': 9569, '35': 307, '37': 194, '42': 194})


def tshark():
    if shutil.which('tshark') is None:
        print('tshark is not installed')
        sys.exit(SKIP)
    fields = ['session', 'sequence', 'count', 'msgdata']
    paths = [os.path.join(data, OPEN)]
    for folder in ('Nasdaq.Equities.TotalView.Itch.v5.0', 'Bx.Equities.TotalView.Itch.v5.0'):
        folder = os.path.join(data, 'omi_single_packets/Nasdaq', folder)
        paths += sorted(os.path.join(folder, name) for name in os.listdir(folder))
    for path in paths:
        ports = subprocess.run(['tshark', '-r', path, '-T', 'fields', '-e', 'udp.dstport'], capture_output=True,
                               text=True, timeout=120).stdout.split()
        decode = [word for port in sorted(set(ports)) for word in ('-d', f'udp.port=={port},moldudp64')]
        lines = subprocess.run(['tshark', '-r', path, *decode, '-T', 'fields', '-E', 'occurrence=a',
                                '-E', 'aggregator=,'] +
                               [word for field in fields for word in ('-e', 'moldudp64.' + field)],
                               capture_output=True, text=True, timeout=120).stdout.splitlines()
        types, sessions, seqs = {}, set(), []
        for line in lines:
            session, seq, count, messages = line.split('\t')
            messages = messages.split(',')
            expect(path, 'messages of a packet, tshark with itself', len(messages), int(count))
            sessions.add(session.strip())
            seqs += range(int(seq), int(seq) + int(count))
            for message in messages:
                letter = chr(int(message[:2], 16))
                types[letter] = types.get(letter, 0) + 1
        _, out, _ = run('--json', path)
        found = json.loads(out)
        expect(path, 'messages', found['messages'], types)
        expect(path, 'sessions', {c['session'] for c in found['channels']}, sessions)
        expect(path, 'sequence', (found['first_seq'], found['last_seq']), (seqs[0], seqs[-1]))
        expect(path, 'gaps', found['gaps'], [])


def robust():
    count = 0
    for folder, _, names in os.walk(data):
        for name in sorted(names):
            path = os.path.join(folder, name)
            for args in ((), ('--json', '--books', '--messages'), ('--books', '--messages')):
                code, out, errors = run(*args, path)
                if code not in (0, 1) or (code == 1) != (errors != ''):
                    failures.append(f'{path} {args}: exit code {code}: {errors}')
                    continue
                if '--json' in args:
                    expect(path, 'error', json.loads(out)['error'] is None, code == 0)
                count += 1
    print(f'{count} reports')


if not os.path.isdir(data):
    print(f'{data} is not there')
    sys.exit(SKIP)
{'facts': facts, 'tshark': tshark, 'robust': robust}[what]()
print('\n'.join(failures[:50]))
sys.exit(1 if failures else 0)
