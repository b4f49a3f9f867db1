#!/usr/bin/env python3
"""The corpus of the fuzz targets, from text: one small file for each shape worth starting from, named after it.

  make_corpus.py            write tests/fuzz/corpus/<target>/<name>
  make_corpus.py --check    exit 1 unless those files are there with this content (others may be there too)

Nothing here is taken from a capture. A file named after a bug is added here, or by hand where only bytes are known.
"""
import pathlib
import struct
import sys

CORPUS = pathlib.Path(__file__).resolve().parent / 'corpus'


def block(message):
    return struct.pack('>H', len(message)) + message


def mold(seq, messages, session=b'SESSION001', count=None):
    count = len(messages) if count is None else count
    return session + struct.pack('>QH', seq, count) + b''.join(block(message) for message in messages)


def itch(kind, rest, locate=1, nanoseconds=34_200_000_000_000):
    return kind.encode() + struct.pack('>HH', locate, 0) + nanoseconds.to_bytes(6, 'big') + rest


def alpha(text, length=8):
    return text.encode().ljust(length)


def add(ref, side, qty, price, **where):
    return itch('A', struct.pack('>QcI', ref, side.encode(), qty) + alpha('TICK') + struct.pack('>I', price), **where)


def add_mpid(ref, side, qty, price, **where):
    return itch('F', add(ref, side, qty, price)[11:] + alpha('MKMK', 4), **where)


def executed(ref, qty, **where):
    return itch('E', struct.pack('>QIQ', ref, qty, 9001), **where)


def executed_price(ref, qty, price, printable='Y', **where):
    return itch('C', struct.pack('>QIQcI', ref, qty, 9002, printable.encode(), price), **where)


def cancel(ref, qty, **where):
    return itch('X', struct.pack('>QI', ref, qty), **where)


def delete(ref, **where):
    return itch('D', struct.pack('>Q', ref), **where)


def replace(orig_ref, ref, qty, price, **where):
    return itch('U', struct.pack('>QQII', orig_ref, ref, qty, price), **where)


def system(code):
    return itch('S', code.encode(), locate=0)


def directory(locate=1):
    return itch('R', alpha('TICK') + b'QN' + struct.pack('>I', 100) + b'NCZ PN 1N' + struct.pack('>I', 0) + b'N',
                locate=locate)


def each_type():
    """One message of each of the 23 types."""
    tick = alpha('TICK')
    return {
        'S_system_event': system('O'),
        'R_stock_directory': directory(),
        'H_trading_action': itch('H', tick + b'T ' + alpha('', 4)),
        'Y_reg_sho': itch('Y', tick + b'0'),
        'L_participant': itch('L', alpha('MKMK', 4) + tick + b'YNA'),
        'V_mwcb_level': itch('V', struct.pack('>QQQ', 400_000_000_000, 380_000_000_000, 350_000_000_000), locate=0),
        'W_mwcb_status': itch('W', b'1', locate=0),
        'K_ipo': itch('K', tick + struct.pack('>IcI', 37_800, b'A', 200_000)),
        'J_luld_collar': itch('J', tick + struct.pack('>IIII', 100_000, 105_000, 95_000, 1)),
        'h_operational_halt': itch('h', tick + b'QH'),
        'A_add': add(1, 'B', 100, 100_000),
        'F_add_mpid': add_mpid(2, 'S', 200, 100_100),
        'E_executed': executed(1, 50),
        'C_executed_price': executed_price(1, 10, 99_900),
        'X_cancel': cancel(1, 20),
        'D_delete': delete(1),
        'U_replace': replace(1, 3, 100, 100_000),
        'P_trade': itch('P', struct.pack('>QcI', 0, b'B', 100) + tick + struct.pack('>IQ', 100_000, 9003)),
        'Q_cross_trade': itch('Q', struct.pack('>Q', 1_000_000) + tick + struct.pack('>IQc', 100_000, 9004, b'O')),
        'B_broken_trade': itch('B', struct.pack('>Q', 9001)),
        'I_noii': itch('I', struct.pack('>QQc', 5000, 300, b'B') + tick + struct.pack('>III', 99_000, 99_500, 100_000) +
                       b'O1'),
        'N_rpii': itch('N', tick + b'A'),
        'O_direct_listing': itch('O', tick + b'Y' + struct.pack('>IIIQII', 90_000, 110_000, 100_000, 37_800, 95_000,
                                                                105_000)),
    }


def itch_files():
    files = dict(each_type())
    files['empty'] = b''
    files['type_only'] = b'A'
    files['add_one_byte_short'] = add(1, 'B', 100, 100_000)[:-1]
    files['delete_one_byte_short'] = delete(1)[:-1]
    files['add_with_appended_field'] = add(1, 'B', 100, 100_000) + b'NEW!'
    files['unknown_type'] = itch('z', bytes(30))
    files['add_all_ones'] = b'A' + b'\xff' * 35
    return files


def mold_files():
    return {
        'empty': b'',
        'header_one_byte_short': mold(1, [])[:-1],
        'heartbeat': mold(7, []),
        'end_of_session': mold(7, [], count=0xffff),
        'end_of_session_with_blocks': mold(7, [delete(1)], count=0xffff),
        'one_message': mold(1, [delete(1)]),
        'three_messages': mold(1, [add(1, 'B', 100, 100_000), executed(1, 10), delete(1)]),
        'all_types': mold(1, list(each_type().values())),
        'empty_blocks': mold(1, [b'', b'', b'']),
        'block_past_the_end': mold(1, [delete(1), delete(2)])[:-1],
        'length_field_cut': mold(1, [delete(1)], count=2) + b'\0',
        'count_beyond_blocks': mold(1, [delete(1)], count=0xfffe),
        'trailing_bytes': mold(1, [delete(1)]) + b'tail',
        'largest_block_length': mold(1, [], count=1) + b'\xff\xff',
        'sequence_zero': mold(0, [delete(1)]),
        'sequence_at_its_end': mold(2**64 - 2, [delete(1)]),
        'sequence_wraps': mold(2**64 - 1, [delete(1)]),
    }


def mdp3(seq, templates, body=b''):
    messages = [struct.pack('<HHHHH', 10 + len(body), len(body), template, 1, 9) + body for template in templates]
    return struct.pack('<IQ', seq, 1_692_711_000_000_000_000) + b''.join(messages)


def mdp3_files():
    return {
        'empty': b'',
        'header_one_byte_short': mdp3(1, [])[:-1],
        'header_alone': mdp3(1, []),
        'heartbeat': mdp3(7, [12]),
        'three_messages': mdp3(8, [32, 35, 37], bytes(range(32))),
        'size_zero': mdp3(1, []) + bytes(10),
        'size_below_its_header': mdp3(1, []) + b'\x09' + mdp3(1, [32])[13:],
        'size_past_the_end': mdp3(1, [32, 32], b'body')[:-1],
        'largest_size': mdp3(1, []) + b'\xff\xff' + mdp3(1, [32])[14:],
        'message_header_cut': mdp3(1, [32]) + mdp3(1, [32])[12:-1],
        'byte_behind': mdp3(1, [32]) + b'\0',
        'other_schema': mdp3(1, [32])[:-4] + struct.pack('<HH', 2, 9),
        'sequence_zero': mdp3(0, [12]),
        'sequence_at_its_end': mdp3(2**32 - 1, [32]),
        'moldudp64': mold(1, [delete(1)]),
        'moldudp64_end': mold(1, [], count=0xffff),
        'moldudp64_no_session_name': mold(1, [delete(1)], b'\1\2\3\4\5\6\7\10\11\12'),
    }


def ether(payload, tags=(), ether_type=0x0800):
    head = bytes.fromhex('01005e360c6f') + bytes.fromhex('0200000000fe')
    return head + b''.join(struct.pack('>HH', tag, 141) for tag in tags) + struct.pack('>H', ether_type) + payload


def udp(payload, length=None):
    return struct.pack('>HHHH', 26400, 26477, 8 + len(payload) if length is None else length, 0) + payload


def ipv4(payload, options=b'', protocol=17, fragment=0x4000, total=None, version=4, header_words=None):
    words = 5 + len(options) // 4 if header_words is None else header_words
    total = 20 + len(options) + len(payload) if total is None else total
    return struct.pack('>BBHHHBBH', version << 4 | words, 0, total, 1, fragment, 16, protocol, 0) + \
        bytes([192, 0, 2, 1]) + bytes([233, 252, 0, 1]) + options + payload


def frame_files():
    data = udp(mold(1, [add(1, 'B', 100, 100_000)]))
    small = udp(b'')
    return {
        'empty': b'',
        'ethernet_only': ether(b'')[:13],
        'plain': ether(ipv4(data)),
        'vlan': ether(ipv4(data), tags=(0x8100,)),
        'qinq': ether(ipv4(data), tags=(0x88a8, 0x8100)),
        'three_tags': ether(ipv4(data), tags=(0x88a8, 0x8100, 0x8100)),
        'vlan_tag_cut': ether(b'', tags=(0x8100,))[:16],
        'options': ether(ipv4(data, options=b'\x94\x04\0\0')),
        'options_longest': ether(ipv4(data, options=b'\1' * 40)),
        'options_cut': ether(ipv4(b'', options=b'\1' * 8)[:-4]),
        'padding': ether(ipv4(small)) + bytes(18),
        'padding_vlan_and_fcs': ether(ipv4(small), tags=(0x8100,)) + bytes(14) + b'FCS!',
        'ip_cut': ether(ipv4(data))[:30],
        'udp_cut': ether(ipv4(data))[:40],
        'payload_cut': ether(ipv4(data))[:-1],
        'version_6': ether(ipv4(data, version=6)),
        'header_length_4': ether(ipv4(data, header_words=4)),
        'total_length_0': ether(ipv4(data, total=0)),
        'total_length_past_frame': ether(ipv4(data, total=1500)),
        'udp_length_0': ether(ipv4(udp(b'abc', length=0))),
        'udp_length_7': ether(ipv4(udp(b'abc', length=7))),
        'udp_length_past_ip': ether(ipv4(udp(b'abc', length=12)) + bytes(8)),
        'udp_length_below_ip': ether(ipv4(udp(b'abcdef', length=11))),
        'tcp': ether(ipv4(bytes(20), protocol=6)),
        'igmp': ether(ipv4(b'\x11\0\0\0\0\0\0\0', options=b'\x94\x04\0\0', protocol=2)),
        'first_fragment': ether(ipv4(data, fragment=0x2000)),
        'later_fragment': ether(ipv4(data, fragment=0x00b9)),
        'arp': ether(bytes(46), ether_type=0x0806),
        'ipv6': ether(b'\x60' + bytes(45), ether_type=0x86dd),
    }


WHOLE = 0  # the whole session is wanted
ANYWHERE = 4
RETRANSMISSION, SNAPSHOT, JOIN_SNAPSHOT, AT_ONCE, SILENCE, ONE_IN_FLIGHT = (1 << bit for bit in range(6))
REPLY, BLOCKS, SPIN_END, SPIN_LOST = 0x10, 0x20, 0x30, 0x40  # in place of a line
OTHER_SPIN = 0x80


def life(*packets, lines=2, join=WHOLE, reorder=4, recovery=0, hold=3):
    """Packets are (line, milliseconds since the one before, payload)."""
    head = bytes([lines - 1 | join | reorder << 3, recovery | hold << 6])
    return head + b''.join(struct.pack('>BBH', line, wait, len(payload)) + payload for line, wait, payload in packets)


def blocks(*messages):
    return b''.join(block(message) for message in messages)


def recovery_files():
    first = mold(1, [system('O'), directory(), add(1, 'B', 100, 100_000), add(2, 'S', 100, 100_100)])
    second = mold(5, [executed(1, 40), replace(2, 3, 70, 100_200), cancel(1, 10)])
    third = mold(8, [delete(1), executed_price(3, 70, 100_150)])
    many = [(0, 0, mold(8 + 10 * i, [add(100 + 10 * i + k, 'B', 1, 90_000 + k) for k in range(10)]))
            for i in range(12)]
    asking = RETRANSMISSION | AT_ONCE
    spinning = SNAPSHOT | AT_ONCE
    whole = blocks(directory(), add(1, 'B', 50, 100_000), add(3, 'S', 70, 100_200))
    end = struct.pack('>Q', 8)
    wait = mold(8, [])
    return {
        'asked_and_answered': life((0, 0, first), (0, 1, third), (0, 21, wait), (REPLY, 2, second), recovery=asking),
        'answered_in_parts': life((0, 0, first), (0, 1, third), (0, 21, wait), (REPLY, 2, mold(5, [executed(1, 40)])),
                                  (REPLY, 2, mold(6, [replace(2, 3, 70, 100_200), cancel(1, 10)])), recovery=asking),
        'answered_from_behind': life((0, 0, first), (0, 1, third), (0, 21, wait), (REPLY, 2, mold(6, [cancel(1, 1)])),
                                     (REPLY, 2, second), recovery=asking),
        'nobody_answers': life((0, 0, first), (0, 1, third), *[(0, 20, wait)] * 5, recovery=asking),
        'nobody_answers_then_a_spin': life((0, 0, first), (0, 1, third), *[(0, 20, wait)] * 4, (BLOCKS, 1, whole),
                                           (SPIN_END, 1, end), recovery=asking | spinning),
        'answers_that_are_none': life((0, 0, first), (0, 1, third), (0, 21, wait), (REPLY, 0, second[:-1]),
                                      (REPLY, 0, first), (REPLY, 0, mold(9, [delete(1), delete(2)])),
                                      (REPLY, 0, mold(5, [delete(1)], b'SESSION002')), (REPLY, 0, mold(5, [])),
                                      recovery=asking),
        'backlog': life((0, 0, first), *many, (1, 1, second), *[(1, 1, mold(128, []))] * 8, recovery=asking),
        'backlog_grows': life((0, 0, first), *many, (1, 1, second),
                              *[(1, 1, mold(128 + i, [add(500 + i, 'S', 1, 100_900)])) for i in range(8)],
                              recovery=asking),
        'more_than_can_be_kept': life((0, 0, first), *many, (REPLY, 9, second), (1, 1, mold(128, [])), recovery=asking,
                                      hold=0),
        'window_forgets': life((0, 0, first), *many, (BLOCKS, 30, whole), (SPIN_END, 1, end), (BLOCKS, 20, whole),
                               (SPIN_END, 1, struct.pack('>Q', 100)), recovery=spinning, hold=0),
        'spliced': life((0, 0, first), (0, 1, third), (0, 21, wait), (BLOCKS, 1, whole), (SPIN_END, 1, end),
                        recovery=spinning),
        'spliced_behind_all': life((0, 0, first), (0, 1, third), (0, 21, wait), (BLOCKS, 1, whole),
                                   (SPIN_END, 1, struct.pack('>Q', 12)), (0, 1, mold(12, [delete(3)])),
                                   recovery=spinning),
        'spin_of_nothing': life((0, 0, first), (0, 1, third), (0, 21, wait), (SPIN_END, 1, end), recovery=spinning),
        'spin_lost_and_again': life((0, 0, first), (0, 1, third), (0, 21, wait), (BLOCKS, 1, whole), (SPIN_LOST, 1, b''),
                                    (0, 11, wait), (BLOCKS, 1, whole), (SPIN_END, 1, end), recovery=spinning),
        'spins_with_wrong_ends': life((0, 0, first), (0, 1, third), (0, 21, wait), (BLOCKS, 1, whole),
                                      (SPIN_END, 1, struct.pack('>Q', 4)), (0, 11, wait), (BLOCKS, 1, whole),
                                      (SPIN_END, 1, struct.pack('>Q', 2**40)), recovery=spinning),
        'spin_of_another_number': life((0, 0, first), (0, 1, third), (0, 21, wait), (BLOCKS | OTHER_SPIN, 1, whole),
                                       (SPIN_END | OTHER_SPIN, 1, end), (SPIN_LOST | OTHER_SPIN, 1, b''),
                                       recovery=spinning),
        'spin_cut_and_malformed': life((0, 0, first), (0, 1, third), (0, 21, wait), (BLOCKS, 1, whole[:-1]),
                                       (BLOCKS, 1, b'\xff\xff'), (BLOCKS, 1, b'\0\0\0'), (SPIN_END, 1, end[:-1]),
                                       recovery=spinning),
        'live_during_a_spin': life((0, 0, first), (0, 1, third), (0, 21, wait), (1, 0, mold(10, [add(9, 'B', 1, 9)])),
                                   (BLOCKS, 1, whole), (1, 0, mold(11, [add(10, 'B', 1, 9)])),
                                   (1, 0, mold(0, [add(11, 'B', 1, 9)])), (SPIN_END, 1, end), recovery=spinning),
        'session_during_a_spin': life((0, 0, first), (0, 1, third), (0, 21, wait), (BLOCKS, 1, whole),
                                      (0, 1, mold(1, [directory()], b'SESSION002')), (SPIN_END, 1, end),
                                      recovery=spinning),
        'session_that_begins_with_a_hole': life((0, 0, third), (0, 1, mold(3, [delete(1)], b'SESSION002')),
                                                recovery=asking),
        'late_join': life((0, 0, third), (0, 21, mold(10, [])), (BLOCKS, 1, whole), (SPIN_END, 1, end),
                          recovery=asking | spinning | JOIN_SNAPSHOT),
        'contradicted': life((0, 0, first), (0, 1, mold(5, [delete(7), delete(1)])), (0, 20, mold(7, [])),
                             (BLOCKS, 1, blocks(add(2, 'S', 100, 100_100))), (SPIN_END, 1, struct.pack('>Q', 7)),
                             recovery=spinning),
        'contradicted_at_the_end': life((0, 0, first), (0, 1, mold(9, [delete(7), delete(8), delete(9)])),
                                        recovery=spinning),
        'one_far_ahead': life((0, 0, first), (0, 0, mold(2**40, [delete(1)])), (1, 1, second), recovery=asking),
        'two_far_ahead': life((0, 0, first), (0, 0, mold(2**40, [delete(1)])), (1, 1, mold(2**40, [delete(1)])),
                              (0, 30, wait), recovery=spinning),
        'silence': life((0, 0, first), *[(5, 255, b'')] * 5, (1, 0, second), recovery=SILENCE),
        'silence_ended_by_the_unbelievable': life((0, 0, first), *[(5, 255, b'')] * 5, (0, 0, mold(2**40, [])),
                                                  (0, 0, mold(0, [delete(9)])), recovery=asking | SILENCE),
        'end_before_the_last': life((0, 0, first), (0, 1, mold(8, [], count=0xffff)), (REPLY, 21, second),
                                    recovery=asking),
        'asked_one_at_a_time': life((0, 0, first), *[(0, 0, mold(10 + 3 * i, [delete(i)])) for i in range(6)],
                                    *[(0, 20, mold(26, []))] * 3, (REPLY, 1, second),
                                    recovery=asking | ONE_IN_FLIGHT),
        'sequences_at_their_end': life((0, 0, mold(2**64 - 100, [delete(1)])), (0, 1, mold(2**64 - 65, [b''] * 64)),
                                       (0, 30, mold(2**64 - 1, [])), (REPLY, 1, mold(2**64 - 99, [b''] * 8)),
                                       join=ANYWHERE, recovery=asking, hold=0),
    }


def channel_files():
    first = mold(1, [system('O'), directory(), add(1, 'B', 100, 100_000), add(2, 'S', 100, 100_100)])
    second = mold(5, [executed(1, 40), replace(2, 3, 70, 100_200), cancel(1, 10)])
    third = mold(8, [delete(1), executed_price(3, 70, 100_150)])
    straddling = mold(3, [add(1, 'B', 100, 100_000), add(2, 'S', 100, 100_100), executed(1, 40)])
    orders = [add(ref, 'BS'[ref % 2], 10, 100_000 + (-ref if ref % 2 == 0 else ref) * 100) for ref in range(1, 41)]
    late = mold(100, [add(9, 'B', 5, 99_000)])
    return {
        'no_packets': life(),
        'one_line': life((0, 0, first), (0, 1, second), (0, 1, third), lines=1),
        'two_lines': life((0, 0, first), (1, 0, first), (1, 1, second), (0, 0, second), (0, 1, third), (1, 0, third)),
        'straddling': life((0, 0, mold(1, [system('O'), directory(), add(1, 'B', 100, 100_000)])), (1, 0, straddling)),
        'hole_filled': life((0, 0, first), (0, 1, third), (1, 1, second)),
        'hole_expires': life((0, 0, first), (0, 1, third), (0, 30, mold(10, [], count=0))),
        'hole_overflows': life((0, 0, first), *[(0, 0, mold(8 + 2 * i, [delete(90 + i)])) for i in range(6)]),
        'hole_passed_at_once': life((0, 0, first), (0, 1, third), reorder=0),
        'hole_at_the_end': life((0, 0, first), (0, 1, third)),
        'hole_shown_by_heartbeat': life((0, 0, first), (0, 1, mold(9, []))),
        'join_anywhere': life((0, 0, second), (0, 1, third), join=ANYWHERE),
        'first_missing': life((0, 0, second), (1, 1, first), (0, 1, third)),
        'heartbeat_first': life((0, 0, mold(1, [])), (0, 1, first)),
        'end_repeated': life((0, 0, first), (0, 1, mold(5, [], count=0xffff)), (1, 0, mold(5, [], count=0xffff))),
        'session_change': life((0, 0, first), (0, 1, mold(1, [system('O'), add(1, 'S', 9, 99_900)], b'SESSION002')),
                               (1, 0, second)),
        'session_change_behind_hole': life((0, 0, first), (0, 1, third), (0, 1, mold(1, [directory()], b'SESSION002'))),
        'unsequenced': life((0, 0, mold(0, [directory(), add(1, 'B', 1, 1)])), (0, 0, mold(0, [delete(1)]))),
        'sequence_at_its_end': life((0, 0, mold(2**64 - 3, [delete(1), delete(2)])), join=ANYWHERE),
        'malformed_packets': life((0, 0, b''), (0, 0, first[:19]), (0, 0, first[:-1]), (0, 0, first + b'tail')),
        'empty_blocks': life((0, 0, mold(1, [b'', directory(), b'']))),
        'unknown_and_short_messages': life((0, 0, mold(1, [itch('z', b'??'), add(1, 'B', 1, 1)[:-1], b'A']))),
        'orders_and_levels_full': life((0, 0, mold(1, orders))),
        'duplicate_and_orphan_references': life((0, 0, mold(1, [add(1, 'B', 1, 9), add(1, 'S', 1, 9), delete(7)]))),
        'prices_out_of_range': life((0, 0, mold(1, [add(1, 'B', 1, 2**32 - 1), add(2, 'S', 1, 2**31),
                                                    add(3, 'S', 1, 2**31 - 1), replace(3, 4, 1, 2**31)]))),
        'quantities_saturate': life((0, 0, mold(1, [add(1, 'B', 2**32 - 1, 9), add(2, 'B', 2**32 - 1, 9)]))),
        'locates_out_of_range': life((0, 0, mold(1, [add(1, 'B', 1, 1, locate=16), directory(locate=65_535)]))),
        'crossed_book': life((0, 0, mold(1, [add(1, 'B', 1, 200), add(2, 'S', 1, 100)]))),
        'all_types': life((0, 0, mold(1, list(each_type().values())))),
        'packet_too_long_to_hold': life((0, 0, first), (0, 1, mold(8, [delete(1)] * 120)), (1, 0, second)),
        'far_hole': life((0, 0, first), (0, 1, late), (1, 25, second)),
        **recovery_files(),
    }


def soup(kind, payload=b''):
    return struct.pack('>H', 1 + len(payload)) + kind.encode() + payload


def login(sequence=1, username='user', password='password', session=''):
    return soup('L', alpha(username, 6) + alpha(password, 10) + alpha(session, 10) + str(sequence).encode().rjust(20))


def accepted(sequence=1):
    return soup('A', b'SESSION001' + str(sequence).encode().rjust(20))


def snapshot(*messages, end=b'4711'):
    return b''.join(soup('S', message) for message in messages) + soup('S', b'G' + end.rjust(20))


def soup_files():
    return {
        'empty': b'',
        'length_cut': b'\0',
        'no_type': b'\0\0',
        'type_only': soup('H'),
        'login': login(),
        'login_sequence_zero_padded': soup('L', b'user  ' + b'password  ' + b' ' * 10 + b'0' * 19 + b'7'),
        'login_sequence_too_large': login(2**64),
        'login_sequence_blank': login(''),
        'login_4_1': soup('L', login()[3:] + b'   30'),
        'accepted': accepted(),
        'accepted_short': soup('A', b'SESSION001'),
        'rejected': soup('J', b'A'),
        'two_packets_and_a_half': soup('+', b'text') + soup('S', delete(1)) + soup('S', delete(2))[:7],
        'past_the_end': b'\xff\xffS',
    }


CLOSES = 0x80


def spin(stream, chunk=128, closes=False):
    return bytes([chunk - 1 | (CLOSES if closes else 0)]) + stream


def glimpse_files():
    messages = [system('O'), directory(), add(1, 'B', 100, 100_000), add_mpid(2, 'S', 100, 100_100)]
    whole = accepted() + snapshot(*messages)
    return {
        'nothing': spin(b''),
        'closed_at_once': spin(b'', closes=True),
        'whole': spin(whole + soup('Z')),
        'byte_by_byte': spin(whole, chunk=1),
        'closed_behind_the_end': spin(whole, closes=True),
        'closed_in_the_middle': spin(whole[:-30], chunk=7, closes=True),
        'ended_in_the_middle': spin(accepted() + soup('S', messages[0]) + soup('Z')),
        'rejected': spin(soup('J', b'S')),
        'heartbeats_and_debug': spin(soup('+', b'hello') + accepted() + soup('H') + soup('?', b'?') + whole[33:]),
        'data_before_login': spin(snapshot(*messages) + accepted()),
        'accepted_twice': spin(accepted() + accepted()),
        'accepted_from_elsewhere': spin(accepted(2) + snapshot()),
        'end_sequence_zero': spin(accepted() + snapshot(end=b'0')),
        'end_sequence_blank': spin(accepted() + snapshot(end=b'')),
        'end_sequence_too_large': spin(accepted() + snapshot(end=b'9' * 20)),
        'end_too_long': spin(accepted() + soup('S', b'G' + b'4711'.rjust(21))),
        'end_too_short': spin(accepted() + soup('S', b'G4711')),
        'empty_message': spin(accepted() + snapshot(b'')),
        'no_type': spin(accepted() + b'\0\0' + snapshot()),
        'packet_cut': spin(accepted() + b'\xff\xffS' + delete(1)),
    }


TIME = struct.pack('>Q', 34_200_000_000_000)
ID = alpha('ORDER1', 14)


def element(tag, value):
    return bytes([1 + len(value), tag]) + value


def appendage(*elements, length=None):
    joined = b''.join(elements)
    return struct.pack('>H', len(joined) if length is None else length) + joined


def enter(*elements, **more):
    return (b'O' + struct.pack('>IcI8sQ', 1, b'B', 100, b'TICK    ', 100_000) + b'0YPNN' + ID +
            appendage(*elements, **more))


def accepted_order(*elements, **more):
    return (b'A' + TIME + struct.pack('>IcI8sQ', 1, b'B', 100, b'TICK    ', 100_000) + b'0Y' + struct.pack('>Q', 77) +
            b'PNNL' + ID + appendage(*elements, **more))


def replaced(*elements):
    return b'U' + TIME + struct.pack('>I', 1) + accepted_order(*elements)[9:]


def ouch_files():
    firm, weight = element(2, b'LIME'), element(18, b'0')
    ref = TIME + struct.pack('>I', 1)
    tags = {1: 8, 2: 4, 3: 4, 4: 1, 5: 4, 6: 1, 7: 4, 9: 8, 10: 1, 11: 4, 12: 1, 13: 4, 14: 4, 15: 4, 16: 1, 17: 1,
            18: 1, 22: 4, 23: 8, 24: 2, 25: 1}
    aiq = b'D' + ref + struct.pack('>IcIQ', 40, b'Q', 40, 100_000) + b'R'
    return {
        'empty': b'',
        'O_enter': enter(),
        'O_enter_firm': enter(firm),
        'O_enter_every_tag': enter(*[element(tag, bytes(range(size))) for tag, size in tags.items()]),
        'O_enter_full': enter(*[element(23, bytes(8))] * 25, firm),
        'O_enter_too_full': enter(*[element(23, bytes(8))] * 26),
        'O_enter_unknown_tag': enter(element(99, b'??'), firm),
        'O_enter_tag_alone': enter(element(12, b'')),
        'O_enter_wrong_value_length': enter(element(2, b'LI')),
        'O_enter_length_past_the_end': enter(firm, length=7),
        'O_enter_length_short_of_the_end': enter(firm, length=5),
        'O_enter_length_65535': enter(length=65_535),
        'O_enter_element_past_the_end': enter(b'\x06\x02LIME'),
        'O_enter_element_of_nothing': enter(firm, b'\0'),
        'O_enter_cut': enter()[:-1],
        'U_replace': b'U' + struct.pack('>IIIQ', 1, 2, 200, 100_100) + b'3AN' + ID + appendage(weight),
        'X_cancel': b'X' + struct.pack('>II', 1, 0),
        'M_modify': b'M' + struct.pack('>IcI', 1, b'T', 50),
        'Q_query': b'Q',
        'S_system': b'S' + TIME + b'S',
        'A_accepted': accepted_order(),
        'A_accepted_firm_weight': accepted_order(firm, weight),
        'A_accepted_element_past_the_end': accepted_order(b'\xff\x02LIME'),
        'U_replaced': replaced(),
        'U_replaced_firm': replaced(firm),
        'U_replaced_or_replace': (lambda both: both[:38] + b'\0\x1c' + both[40:66] + b'\0\0')(replaced()),
        'C_canceled': b'C' + ref + struct.pack('>Ic', 40, b'U'),
        'D_aiq_canceled': aiq + b'O',
        'D_aiq_canceled_short': aiq,
        'E_executed': b'E' + ref + struct.pack('>IQcQ', 40, 100_000, b'A', 9001) + appendage(),
        'B_broken': b'B' + ref + struct.pack('>Qc', 9001, b'S') + ID,
        'J_rejected': b'J' + ref + struct.pack('>H', 0x17) + ID,
        'P_cancel_pending': b'P' + ref,
        'I_cancel_reject': b'I' + ref,
        'T_priority': b'T' + ref + struct.pack('>QcQ', 100_000, b'Y', 78),
        'M_modified': b'M' + ref + struct.pack('>cI', b'T', 50),
        'R_restated': b'R' + ref + b'R' + appendage(element(22, struct.pack('>I', 10))),
        'Q_query_answer': b'Q' + ref,
        'unknown_type': b'z' + ref,
    }


WITH_QUERY = 0x80
TURN, WAIT, BACK, BYTES, CLOSED, SENT, STOP, ABORT, CONNECTED = range(9)
REFUSED, SLOW = bytes([TURN, 1]), bytes([TURN, 2])


def step(kind, argument=0):
    return bytes([kind, argument])


def says(*packets):
    stream = b''.join(packets)
    return step(BYTES) + struct.pack('>H', len(stream)) + stream


def session(*steps, query=True, chunk=128):
    return bytes([chunk - 1 | (WITH_QUERY if query else 0)]) + b''.join(steps)


def order_session_files():
    turn, data = step(TURN), soup('S', accepted_order())
    old, ours = (soup('S', b'Q' + TIME + struct.pack('>I', ref)) for ref in (7, 9))
    probe = turn + says(accepted(3)) + turn + turn
    up = probe + says(accepted(), data) + turn + says(data, data, ours)
    plain = turn + says(accepted())
    again = step(WAIT, 1) + turn
    return {
        'nothing': session(b''),
        'refused': session(*[REFUSED + step(WAIT, wait) for wait in (1, 2, 4, 4)]),
        'connected_later': session(SLOW, step(WAIT, 49), step(CONNECTED), turn, says(accepted())),
        'never_connected': session(SLOW, step(WAIT, 50), turn),
        'up': session(up, says(data)),
        'up_byte_by_byte': session(up, says(data), chunk=1),
        'up_without_a_query': session(plain, says(data, data), query=False),
        'old_answer_before_the_end': session(probe, says(accepted()), turn, says(old, data, ours, ours)),
        'old_answer_at_the_end': session(probe, says(accepted()), turn, says(data, data, old), turn, says(ours)),
        'old_answer_and_ours_in_one_piece': session(probe, says(accepted()), turn, says(data, data, old, ours), turn),
        'answer_of_another_length': session(probe, says(accepted()), turn, says(data, data, data, soup('S', b'Q'))),
        'most_recent_behind_a_probe': session(turn, says(accepted(3), data), turn, turn, says(accepted())),
        'query_unanswered_at_a_break': session(probe, says(accepted()), turn, step(CLOSED), again, says(accepted(4)),
                                               turn, turn, says(accepted()), turn, says(data, data, old, data, ours)),
        'resumed': session(plain, says(data, data), step(CLOSED), again, says(accepted(3), data), query=False),
        'resumed_earlier': session(plain, says(data, data), step(CLOSED), again, says(accepted(), data, data, data),
                                   query=False),
        'messages_missing': session(plain, step(CLOSED), again, says(accepted(2), data), turn, query=False),
        'other_session': session(plain, step(CLOSED), again, says(soup('A', b'SESSION002' + b'1'.rjust(20)), data),
                                 turn, turn, query=False),
        'rejected': session(turn, says(soup('J', b'S')), turn, again, says(soup('J', b'')), turn),
        'data_before_login': session(turn, says(data), turn),
        'accepted_twice': session(plain, says(accepted()), turn, query=False),
        'accepted_from_zero': session(turn, says(accepted(0)), turn),
        'no_type': session(plain, says(b'\0\0' + data), turn, query=False),
        'packet_cut': session(plain, says(b'\xff\xffS' + data), query=False),
        'heartbeats_and_debug': session(plain, says(soup('H'), soup('+', b'hello'), soup('?', b'?')), step(WAIT, 20),
                                        turn, step(WAIT, 19), step(SENT), step(WAIT, 1), turn, query=False),
        'login_unanswered': session(turn, step(WAIT, 50), turn),
        'query_unanswered': session(probe, says(accepted()), turn, step(WAIT, 49), says(data), step(WAIT, 50), turn),
        'silence': session(plain, step(WAIT, 90), turn, query=False),
        'time_falls_back': session(plain, step(BACK, 255), turn, says(data), step(WAIT, 255), turn, query=False),
        'end': session(up, says(data, soup('Z'), data), turn, turn, step(STOP)),
        'stop': session(up, step(STOP), turn, says(data), step(WAIT, 20), turn),
        'stop_and_end': session(up, step(STOP), turn, says(data, soup('Z')), turn),
        'stop_in_a_login': session(turn, step(STOP), says(accepted()), turn),
        'stop_in_a_replay': session(probe, says(accepted()), turn, step(STOP), turn, says(data, data, ours)),
        'abort': session(up, step(ABORT), says(data), turn, again, says(accepted(5), data)),
    }


def admin_line_files():
    return {
        'empty': b'',
        'newlines': b'\n\r\n\n',
        'every_command': b'help\nstatus\nlimits\nlimits gateway\nset gateway order_qty_max 100\nkill\nkill fat finger\n'
                         b'arm\npositions\npositions 100\norders\norders 256\nstop\n',
        'unfinished': b'status\nset gateway order_qty_max 1',
        'carriage_returns': b'status\r\nsta\rtus\r\nkill\r\r\n',
        'blanks': b'  set \t gateway\torder_qty_max   100  \n',
        'word_too_long': b'limits ' + b'x' * 33 + b'\n',
        'words_too_many': b'set a b c d\nlimits a b\n',
        'line_of_full_length': b'x' * 511 + b'\nstatus\n',
        'line_without_end': b'status\n' + b'x' * 600,
        'kill_without_end': b'kill ' + b'ab ' * 300,
        'kill_reason_long': b'kill ' + b'x' * 400 + b'\n',
        'kill_reason_binary': b'kill \x00\xff\x1b[2J\x7f\n',
        'binary': bytes(range(256)) * 2 + b'\n',
        'zeros': b'\0' * 40 + b'\nstatus\0\n',
    }


def igmp_files():
    """What a port receives: see tests/fuzz/fuzz_igmp.c. All checksums are made right by the target."""
    ours, other, everybody = bytes((233, 54, 12, 111)), bytes((233, 49, 196, 111)), bytes((224, 0, 0, 1))
    source, alert = bytes((198, 51, 100, 11)), bytes((0x94, 4, 0, 0))

    def packet(body, dst=everybody, options=alert, ttl=1, src=bytes((192, 0, 2, 1))):
        header = struct.pack('>BBHHHBBH', 0x45 + len(options) // 4, 0xc0, 20 + len(options) + len(body), 0, 0, ttl, 2, 0)
        return header + src + dst + options + body

    def query(code=100, group=bytes(4), **where):
        return packet(struct.pack('>BBH', 0x11, code, 0) + group, **({'dst': group} if any(group) else {}), **where)

    def query_v3(code=100, group=bytes(4), qrv=2, qqic=125, sources=(), count=None, **where):
        body = struct.pack('>BBH', 0x11, code, 0) + group
        body += struct.pack('>BBH', qrv, qqic, len(sources) if count is None else count) + b''.join(sources)
        return packet(body, **({'dst': group} if any(group) else {}), **where)

    def report(kind=0x16, group=ours):
        return packet(struct.pack('>BBH', kind, 0, 0) + group, dst=group, src=bytes((192, 0, 2, 3)))

    def steps(version, *packets, pause=1):
        return bytes((version,)) + b''.join(struct.pack('>BBH', pause, 1, len(one)) + one for one in packets)

    return {
        'empty': b'', 'nothing': steps(0),
        'v1_query': steps(0, query(0)), 'v2_query': steps(0, query()), 'v3_query': steps(0, query_v3()),
        'v2_group_query': steps(1, query(10, ours)), 'v3_group_query': steps(2, query_v3(10, ours)),
        'v3_source_query': steps(0, query_v3(10, ours, sources=(source, other))),
        'v3_more_sources_than_bytes': steps(0, query_v3(10, ours, sources=(source,), count=400)),
        'v3_366_sources': steps(0, query_v3(10, ours, sources=[struct.pack('>I', 0xc6336400 + i) for i in range(366)])),
        'v3_longest_codes': steps(0, query_v3(255, qrv=7, qqic=255), query_v3(1)),
        'v3_code_0': steps(0, query_v3(0, qrv=0, qqic=0)),
        'versions_in_turn': steps(0, query_v3(), query(), query(0), query_v3(), query(), pause=255),
        'v2_suppressed': steps(1, query(100), report(), report(0x12), report(group=other)),
        'ten_bytes': steps(0, packet(struct.pack('>BBHIH', 0x11, 10, 0, 0, 0))),
        'no_alert': steps(0, query_v3(options=b'')), 'alert_behind_others': steps(0, query_v3(options=b'\1\1\1\1' + alert)),
        'option_of_length_0': steps(0, query_v3(options=b'\7\0\0\0' + alert)),
        'ttl_2': steps(0, query_v3(ttl=2)), 'from_us': steps(0, query_v3(src=bytes((192, 0, 2, 2)))),
        'from_nobody': steps(0, query(src=bytes(4))), 'leave': steps(0, packet(struct.pack('>BBH', 0x17, 0, 0) + ours)),
        'flood': steps(0, *[query_v3(1)] * 250, pause=0),
    }


def reference_files():
    head = b'date,2026-11-27\nsymbol,tick,lot,close,restricted,borrowable\n'
    positions = b'\1date,2026-11-27\nsymbol,shares,price\n'
    return {
        'rows': b'\0' + head + b'MSFT,0.01,100,416.9,no,yes\r\nAAPL,nms,1,227.5200,yes,no\n#\n\nBRK.A,any,0,,no,no',
        'positions': positions + b'MSFT,1200,416.9\nAAPL,-300,226.1051\n', 'flat': positions,
        'no_date': b'\0symbol,tick', 'date_alone': b'\0date,2026-11-27', 'bad_date': b'\0date,2026-11-2x\n',
        'twice': positions + b'A,1,1\nB,1,1\nA,1,1', 'many_columns': b'\0' + head + b'A,nms,1,,no,no,,,,,',
        'control_bytes': b'\0' + head + b'A\x1b[2J,nms,1,,no,no', 'nul': b'\0' + head + b'A\0B,nms,1,,no,no',
        'long_digits': positions + b'A,99999999999999999999,1', 'long_field': positions + b'A' * 300 + b',1,1',
        'more_rows_than_room': positions + b''.join(b'S%d,1,1\n' % i for i in range(65)),
    }


def main():
    check = sys.argv[1:] == ['--check']
    wrong = []
    for target, files in (('frame', frame_files()), ('mold', mold_files()), ('mdp3', mdp3_files()),
                          ('itch', itch_files()), ('channel', channel_files()), ('soup', soup_files()),
                          ('glimpse', glimpse_files()), ('ouch', ouch_files()),
                          ('order_session', order_session_files()),
                          ('admin_line', admin_line_files()), ('igmp', igmp_files()),
                          ('reference', reference_files())):
        folder = CORPUS / target
        if not check:
            folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            path = folder / name
            if not check:
                path.write_bytes(content)
            elif not path.is_file() or path.read_bytes() != content:
                wrong.append(path)
    for path in wrong:
        print(f'{path}: differs from what tests/fuzz/make_corpus.py makes; run it', file=sys.stderr)
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
