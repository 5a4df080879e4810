/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which packets of a VM a web scanner has to see: those that may carry the start of a request, and of those only what
 * the scanner has not let pass already. Bodies and answers stay in the kernel.
 */
#ifndef HYPERWARD_WEB_H
#define HYPERWARD_WEB_H

#include "maps.h"
#include "packet.h"

#define PORT_DNS 53
#define DNS_NO_QUERY 0xf8 /* RFC 1035 (4.1.1): QR and OPCODE of a standard query are 0 */
#define MAX_SEGMENTS 128 /* UDP_MAX_SEGMENTS of the kernel */

/* RFC 9000 (15, 17.2.2) and RFC 9369 (3.1, 3.2): long header, type Initial; the number of the type differs. */
#define QUIC_LONG_TYPE 0xb0
#define QUIC_V1 0x00000001
#define QUIC_V1_INITIAL 0x80
#define QUIC_V2 0x6b3343cf
#define QUIC_V2_INITIAL 0x90

enum web_need {
	WEB_NEED_NOTHING,
	WEB_NEED_LOOK,   /* a scanner decides */
	WEB_NEED_ANSWER, /* refused already: a scanner answers, and without one it is dropped */
	WEB_NEED_DROP,
};

/* What an entry says, read once: it may become another flow's under our hands. */
struct verdict {
	__u32 from;
	__u32 until;
	__u8 state; /* enum web_state; 0: there is no entry that counts */
	__u8 holds; /* 0: whether it is this connection's cannot be told, so nothing may pass by it */
};

/*
 * What the scanner knows of the flow. Where the kernel has forgotten the flow, refusals hold all the same, and of
 * everything else the scanner is asked again.
 */
static __always_inline struct web_flow *known_flow(struct packet *p, struct flow *flow, __u64 now, struct verdict *v)
{
	struct web_flow *known = bpf_map_lookup_elem(&web_flows, &p->key);
	__u64 began = flow ? flow->began_ns : 0;

	v->state = 0;
	if (!known || (known->expires_ns && now >= known->expires_ns))
		return 0;
	v->from = known->from;
	v->until = known->until;
	v->state = known->state;
	/* Behind what was read, so that it was this connection's. */
	v->holds = *(volatile __u64 *)&known->began_ns == began;
	if (!v->holds && began)
		v->state = 0;
	return known;
}

/* Has the remote end acknowledged all bytes before `from`? Found once, it is kept: the numbers come around. */
static __always_inline int is_settled(struct web_flow *known, struct flow *flow, __u32 from)
{
	if (known->settled && known->settled_from == from)
		return 1;
	if (!flow || !(flow->flags[TO_VM] & TCP_ACK) || (__s32)(flow->ack[TO_VM] - from) < 0)
		return 0;
	known->settled_from = from;
	known->settled = 1;
	return 1;
}

/* May all of the segment's payload pass? Urgent data only behind a verdict: it is left out of the stream it is in. */
static __always_inline int may_pass(struct web_flow *known, struct verdict *v, struct flow *flow, struct packet *p)
{
	__u32 start = p->seq + (p->tcp_flags & TCP_SYN ? 1 : 0), end = start + (p->end - p->data);
	int settled = is_settled(known, flow, v->from);

	if (!v->holds || (v->state != WEB_UNTIL && v->state != WEB_DONE))
		return 0;
	if (v->state == WEB_UNTIL && ((__s32)(end - v->until) > 0 || p->tcp_flags & TCP_URG))
		return 0;
	return settled || (__s32)(start - v->from) >= 0;
}

struct datagrams {
	struct __sk_buff *skb;
	__u32 data;
	__u32 end;
	__u32 size; /* of each but the last */
	__u8 web;
	__u8 to_dns;
	__u8 found;
	__u8 pad;
};

/* Has the datagram at `data` the form of a QUIC Initial, or of a DNS query with one question and no answers? */
static __always_inline int starts_request(struct datagrams *d, __u32 data)
{
	struct { __u8 byte[4]; __be16 questions, answers, authorities, additional; } dns = {};
	__u8 *quic = dns.byte;
	__u32 version;

	if (d->to_dns && d->web & WEB_DNS)
		return 1;
	if (data + sizeof(dns) > d->end || bpf_skb_load_bytes(d->skb, data, &dns, sizeof(dns)) < 0)
		return 0;
	if (d->web & WEB_QUIC) {
		version = (__u32)quic[1] << 24 | quic[2] << 16 | quic[3] << 8 | bpf_ntohs(dns.questions) >> 8;
		if (version == QUIC_V1 && (quic[0] & QUIC_LONG_TYPE) == QUIC_V1_INITIAL)
			return 1;
		if (version == QUIC_V2 && (quic[0] & QUIC_LONG_TYPE) == QUIC_V2_INITIAL)
			return 1;
	}
	return d->web & WEB_DNS && !(dns.byte[2] & DNS_NO_QUERY) && dns.questions == bpf_htons(1) && !dns.answers &&
	       !dns.authorities;
}

static long next_datagram(__u32 index, void *context)
{
	struct datagrams *d = context;

	(void)index;
	if (d->data >= d->end)
		return 1;
	d->found = starts_request(d, d->data);
	d->data += d->size;
	return d->found;
}

/* One of the datagrams that the kernel still has in one piece may start a request as well as the first. */
static __always_inline int any_starts_request(struct __sk_buff *skb, struct port *port, struct packet *p)
{
	struct datagrams d = {
		.skb = skb,
		.data = p->data,
		.end = p->end,
		.size = skb->gso_size,
		.web = port->web,
		.to_dns = p->key.remote_port == bpf_htons(PORT_DNS),
	};

	if (!d.size)
		return starts_request(&d, d.data);
	bpf_loop(MAX_SEGMENTS, next_datagram, &d, 0);
	return d.found || d.data < d.end;
}

/*
 * Fragments are handed over all: only whole do they say what they are, and only the first has ports. So is a packet
 * whose headers go on beyond what is read here.
 */
static __always_inline int is_hidden(struct port *port, struct packet *p)
{
	if (!(p->known & KNOWN_PROTOCOL))
		return p->known & KNOWN_ADDRESS;
	return p->fragment && ((p->key.protocol == TCP && port->web & WEB_TCP) ||
			       (p->key.protocol == UDP && port->web & (WEB_QUIC | WEB_DNS)));
}

/* Of the segments of a connection that the VM opened. */
static __always_inline enum web_need segment_need(struct web_flow *known, struct verdict *v, struct flow *flow,
						  struct packet *p)
{
	int is_empty = p->end <= p->data;

	if (is_empty && (!(p->tcp_flags & TCP_URG) || (v->state == WEB_DONE && v->holds)))
		return WEB_NEED_NOTHING;
	if (known && v->state && may_pass(known, v, flow, p))
		return WEB_NEED_NOTHING;
	return WEB_NEED_LOOK;
}

/* Does a scanner have to see the packet? Asked of a packet from the VM on a port with web scan. */
static __noinline enum web_need web_need(struct __sk_buff *skb, struct port *port, struct packet *p, struct flow *flow,
					 __u64 now)
{
	struct verdict v = {};
	struct web_flow *known = 0;

	if (!(p->known & KNOWN_PORTS) || (p->key.protocol != TCP && p->key.protocol != UDP))
		return is_hidden(port, p) ? WEB_NEED_LOOK : WEB_NEED_NOTHING;
	/* Nothing that was found of the last connection holds for the first packet of another. */
	if (p->key.protocol != TCP || (p->tcp_flags & (TCP_SYN | TCP_ACK)) != TCP_SYN)
		known = known_flow(p, flow, now, &v);
	if (v.state == WEB_DROPPED)
		return WEB_NEED_DROP;
	if (v.state == WEB_BLOCKED)
		return WEB_NEED_ANSWER;
	if (is_hidden(port, p))
		return WEB_NEED_LOOK;
	if (!v.state && !(flow && flow->opened & OPENED_BY_VM))
		return WEB_NEED_NOTHING;
	if (p->key.protocol == TCP)
		return port->web & WEB_TCP ? segment_need(known, &v, flow, p) : WEB_NEED_NOTHING;
	if (p->end <= p->data || v.state == WEB_DONE)
		return WEB_NEED_NOTHING;
	return any_starts_request(skb, port, p) ? WEB_NEED_LOOK : WEB_NEED_NOTHING;
}

/* Was the flow refused, so that nothing of it may reach the VM but what the scanner sends itself? */
static __always_inline int is_refused(struct packet *p, struct flow *flow, __u64 now)
{
	struct verdict v = {};

	if (p->key.protocol != TCP && p->key.protocol != UDP)
		return 0;
	known_flow(p, flow, now, &v);
	return v.state == WEB_BLOCKED || v.state == WEB_DROPPED;
}

#endif
