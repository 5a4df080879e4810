/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the steering program reads of a packet: nothing is taken for granted, a short or odd one leaves fields empty. */
#ifndef HYPERWARD_PACKET_H
#define HYPERWARD_PACKET_H

#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "steering.h"

#define ETH_HLEN 14
#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86DD
#define ETH_P_8021Q 0x8100
#define ETH_P_8021AD 0x88A8
#define MAX_GUEST_TAGS 2
#define MAX_EXTENSIONS 6

#define TCP 6
#define UDP 17
#define TCP_SYN 0x02
#define TCP_ACK 0x10
#define TCP_URG 0x20

/* What of a packet could be read. A guest can hide the rest by fragments, odd headers or short packets. */
enum known { KNOWN_ADDRESS = 1, KNOWN_PROTOCOL = 2, KNOWN_PORTS = 4 };

struct packet {
	struct flow_key key;
	__u32 ack;
	__u32 seq;
	__u32 data; /* offset of the payload of TCP or UDP */
	__u32 end;  /* offset behind the IP packet: what follows is padding */
	__u8 tcp_flags;
	__u8 is_ip; /* 4 or 6; 0: not IP */
	__u8 tags;  /* the guest's own */
	__u8 known;
	__u8 fragment;
};

static __always_inline int is_tag(__be16 type)
{
	return type == bpf_htons(ETH_P_8021Q) || type == bpf_htons(ETH_P_8021AD);
}

/* The outer tag, which the kernel keeps in the frame or beside it. Returns less than 0 where there is none. */
static __always_inline int read_tag(struct __sk_buff *skb, __u32 *tci)
{
	struct { __be16 type, tci; } tag;

	if (skb->vlan_present) {
		*tci = skb->vlan_tci;
		return 0;
	}
	if (bpf_skb_load_bytes(skb, 12, &tag, sizeof(tag)) < 0 || !is_tag(tag.type))
		return -1;
	*tci = bpf_ntohs(tag.tci);
	return 0;
}

static __always_inline void map_v4(__u8 *to, __be32 address)
{
	__builtin_memset(to, 0, 10);
	to[10] = 0xff;
	to[11] = 0xff;
	__builtin_memcpy(to + 12, &address, 4);
}

/* Where the packet ends that its IP header says to be `length` bytes; segments not cut yet are longer than that says. */
static __always_inline __u32 end_of(struct __sk_buff *skb, __u32 off, __u32 length)
{
	return skb->gso_size || off + length > skb->len ? skb->len : off + length;
}

/* Ports, flags and numbers of the transport header at `off`; a short packet leaves them 0. */
static __always_inline void parse_transport(struct __sk_buff *skb, __u32 off, enum direction d, struct packet *p)
{
	struct { __be16 source, dest; __be32 seq, ack; __u8 off, flags; } tcp = {};

	switch (p->key.protocol) {
	case TCP:
		if (bpf_skb_load_bytes(skb, off, &tcp, 14) < 0)
			return;
		p->tcp_flags = tcp.flags;
		p->ack = bpf_ntohl(tcp.ack);
		p->seq = bpf_ntohl(tcp.seq);
		p->data = off + (tcp.off >> 4) * 4;
		break;
	case UDP:
	case 132: /* SCTP */
		if (bpf_skb_load_bytes(skb, off, &tcp, 4) < 0)
			return;
		p->data = off + 8;
		break;
	default:
		return;
	}
	p->known |= KNOWN_PORTS;
	p->key.local_port = d == FROM_VM ? tcp.source : tcp.dest;
	p->key.remote_port = d == FROM_VM ? tcp.dest : tcp.source;
}

static __always_inline void parse_v4(struct __sk_buff *skb, __u32 off, enum direction d, struct packet *p)
{
	struct { __u8 vihl, tos; __be16 len, id, frag; __u8 ttl, protocol; __be16 sum; __be32 source, dest; } ip;

	if (bpf_skb_load_bytes(skb, off, &ip, sizeof(ip)) < 0)
		return;
	map_v4(p->key.local, d == FROM_VM ? ip.source : ip.dest);
	map_v4(p->key.remote, d == FROM_VM ? ip.dest : ip.source);
	p->key.protocol = ip.protocol;
	p->known = KNOWN_ADDRESS | KNOWN_PROTOCOL;
	p->fragment = (ip.frag & bpf_htons(0x3fff)) != 0;
	p->end = end_of(skb, off, bpf_ntohs(ip.len));
	if (ip.frag & bpf_htons(0x1fff))
		return;
	parse_transport(skb, off + (ip.vihl & 0xf) * 4, d, p);
}

/* Hop-by-hop, routing, destination options, fragment, authentication. */
static __always_inline int is_extension(__u8 next)
{
	return next == 0 || next == 43 || next == 60 || next == 44 || next == 51;
}

static __always_inline void parse_v6(struct __sk_buff *skb, __u32 off, enum direction d, struct packet *p)
{
	struct { __be32 first; __be16 len; __u8 next, hops; __u8 source[16], dest[16]; } ip;
	struct { __u8 next, len; __be16 frag; } ext;
	__u8 next;

	if (bpf_skb_load_bytes(skb, off, &ip, sizeof(ip)) < 0)
		return;
	__builtin_memcpy(p->key.local, d == FROM_VM ? ip.source : ip.dest, 16);
	__builtin_memcpy(p->key.remote, d == FROM_VM ? ip.dest : ip.source, 16);
	p->known = KNOWN_ADDRESS;
	/* No length before a hop-by-hop header: a jumbogram (RFC 2675). Receivers take all there is, option or not. */
	p->end = !ip.len && !ip.next ? skb->len : end_of(skb, off, sizeof(ip) + bpf_ntohs(ip.len));
	next = ip.next;
	off += sizeof(ip);
#pragma unroll
	for (int i = 0; i < MAX_EXTENSIONS; i++) {
		if (!is_extension(next))
			break;
		if (bpf_skb_load_bytes(skb, off, &ext, sizeof(ext)) < 0)
			return;
		if (next == 44) {
			p->fragment = 1;
			if (ext.frag & bpf_htons(0xfff8)) {
				p->key.protocol = ext.next;
				if (!is_extension(ext.next))
					p->known |= KNOWN_PROTOCOL;
				return;
			}
			off += 8;
		} else if (next == 51) {
			off += ((__u32)ext.len + 2) * 4;
		} else {
			off += ((__u32)ext.len + 1) * 8;
		}
		next = ext.next;
	}
	p->key.protocol = next;
	if (!is_extension(next))
		p->known |= KNOWN_PROTOCOL;
	parse_transport(skb, off, d, p);
}

static __always_inline void parse(struct __sk_buff *skb, enum direction d, struct packet *p)
{
	__u32 off = ETH_HLEN;
	__be16 type;
	struct { __be16 tci, type; } tag;

	__builtin_memset(p, 0, sizeof(*p));
	if (bpf_skb_load_bytes(skb, 12, &type, 2) < 0)
		return;
	if (skb->vlan_present) {
		p->key.vlan = skb->vlan_tci & 0xfff;
		p->tags++;
	}
#pragma unroll
	for (int i = 0; i < MAX_GUEST_TAGS; i++) {
		if (!is_tag(type))
			break;
		if (bpf_skb_load_bytes(skb, off, &tag, sizeof(tag)) < 0)
			return;
		if (i == 0 && !skb->vlan_present)
			p->key.vlan = bpf_ntohs(tag.tci) & 0xfff;
		p->tags++;
		type = tag.type;
		off += sizeof(tag);
	}
	if (type == bpf_htons(ETH_P_IP)) {
		p->is_ip = 4;
		parse_v4(skb, off, d, p);
	} else if (type == bpf_htons(ETH_P_IPV6)) {
		p->is_ip = 6;
		parse_v6(skb, off, d, p);
	}
}

#endif
