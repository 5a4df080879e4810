/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The way to a web scanner and back: which of them, whether it can take the packet, and what happens if not. Each has a
 * TAP device of its own, so that all packets of a flow meet one process and its state says whether it lives.
 */
#ifndef HYPERWARD_HANDOVER_H
#define HYPERWARD_HANDOVER_H

#include <linux/pkt_cls.h>

#include "maps.h"
#include "packet.h"
#include "web.h"

#define TC_GO_ON 1000 /* none of the kernel's verdicts: continue with what comes after the web scan */
#define NS_PER_S 1000000000ULL

enum scanner_state { SCANNER_READY, SCANNER_LIMITED, SCANNER_BUSY, SCANNER_DOWN };

/* Mixing steps of MurmurHash3 (public domain): a flow's packets need one scanner, flows need all of them. */
static __always_inline __u32 mix(__u32 hash, __u32 word)
{
	word *= 0xcc9e2d51;
	word = word << 15 | word >> 17;
	hash ^= word * 0x1b873593;
	hash = hash << 13 | hash >> 19;
	return hash * 5 + 0xe6546b64;
}

/* Over the whole key; of what hides its ports or its protocol only over the addresses. */
static __always_inline __u32 hash_of(struct packet *p)
{
	__u32 word[sizeof(struct flow_key) / 4], hash = 0;
	int words = sizeof(word) / 4;

	__builtin_memcpy(word, &p->key, sizeof(word));
	if (p->fragment || !(p->known & KNOWN_PORTS))
		words = 8;
#pragma unroll
	for (int i = 0; i < (int)(sizeof(word) / 4); i++)
		if (i < words)
			hash = mix(hash, word[i]);
	hash ^= hash >> 16;
	hash *= 0x85ebca6b;
	hash ^= hash >> 13;
	hash *= 0xc2b2ae35;
	return hash ^ hash >> 16;
}

/* How many frames the kernel will make of the packet. */
static __always_inline __u32 frames_of(struct __sk_buff *skb, struct packet *p)
{
	__u32 size = skb->gso_size;

	if (!size || p->end <= p->data)
		return 1;
	return (p->end - p->data + size - 1) / size;
}

/*
 * May the port use busy scanners? A generic cell rate algorithm (ITU-T I.371, annex A): `at` is when its share would be
 * used up if it came evenly. Two CPUs at once let through one packet more.
 */
static __always_inline int within_share(struct settings *s, __u32 port_id, __u32 frames, __u64 now)
{
	__u64 *at = bpf_map_lookup_elem(&web_tokens, &port_id), begin, interval;

	if (!at || !s->web_rate)
		return 0;
	interval = NS_PER_S / s->web_rate;
	begin = *at > now ? *at : now;
	if (begin - now > interval * s->web_burst)
		return 0;
	*at = begin + interval * frames;
	return 1;
}

struct handover {
	struct scanner *scanner;
	__u32 ifindex;
	__u32 frames;
	enum scanner_state state;
};

static __always_inline void find_scanner(struct __sk_buff *skb, struct settings *s, struct port *port, struct packet *p,
					 __u64 now, struct handover *h)
{
	__u32 index, *device;
	__s64 waiting;
	__u64 alive;

	h->state = SCANNER_DOWN;
	if (!s->scanners)
		return;
	index = hash_of(p) % s->scanners;
	h->scanner = bpf_map_lookup_elem(&scanners, &index);
	device = bpf_map_lookup_elem(&scanner_devices, &index);
	if (!h->scanner || !device || !*device)
		return;
	h->ifindex = *device;
	alive = h->scanner->alive_ns;
	if (!alive || (now > alive && now - alive > s->down_ns))
		return;
	h->frames = frames_of(skb, p);
	waiting = h->scanner->handed - h->scanner->taken;
	if (waiting > (__s64)s->web_queue)
		h->state = SCANNER_BUSY;
	else if (waiting > (__s64)s->web_queue / 4 && !within_share(s, port->id, h->frames, now))
		h->state = SCANNER_LIMITED;
	else
		h->state = SCANNER_READY;
}

/* The policy's answer to a packet that no scanner can look at. */
static __always_inline int web_failure(struct port *port, struct counters *c, enum scanner_state state)
{
	int closed = port->flags & (state == SCANNER_DOWN ? PORT_CLOSED_DOWN : PORT_CLOSED_BUSY);

	if (state == SCANNER_DOWN)
		count(c, FROM_VM, closed ? WEB_CLOSED_DOWN : WEB_OPEN_DOWN, 1);
	else
		count(c, FROM_VM, closed ? WEB_CLOSED_BUSY : WEB_OPEN_BUSY, 1);
	return closed ? TC_ACT_SHOT : TC_GO_ON;
}

/* Give the packet to a scanner. Returns a verdict, or TC_GO_ON where the policy lets it pass without. */
static __noinline int hand_over(struct __sk_buff *skb, struct port *port, struct packet *p, enum web_need need,
				__u64 now)
{
	__u32 zero = 0, id = port->id;
	struct settings *s = bpf_map_lookup_elem(&settings, &zero);
	struct counters *c = bpf_map_lookup_elem(&port_counters, &id);
	struct handover h = {};

	if (!s)
		return TC_GO_ON;
	find_scanner(skb, s, port, p, now, &h);
	if (h.state == SCANNER_LIMITED) {
		count(c, FROM_VM, WEB_LIMITED, 1);
		return TC_ACT_SHOT;
	}
	if (h.state != SCANNER_READY && need == WEB_NEED_ANSWER) {
		/* What was refused does not pass because nobody is there to say so again. */
		count(c, FROM_VM, WEB_REFUSED, 1);
		return TC_ACT_SHOT;
	}
	if (h.state != SCANNER_READY)
		return web_failure(port, c, h.state);
	__sync_fetch_and_add(&h.scanner->handed, h.frames);
	count(c, FROM_VM, WEB_HANDED, h.frames);
	skb->mark = MARK_MAGIC | MARK_SCANNER | (id & MARK_VID_MASK);
	return bpf_redirect(h.ifindex, 0);
}

/* Give a copy to a scanner, if it can take one: the packet itself waits for nothing. */
static __noinline int hand_copy(struct __sk_buff *skb, struct port *port, struct packet *p, __u64 now)
{
	__u32 zero = 0, id = port->id, before = skb->mark;
	struct settings *s = bpf_map_lookup_elem(&settings, &zero);
	struct counters *c = bpf_map_lookup_elem(&port_counters, &id);
	struct handover h = {};
	long failed;

	if (!s)
		return 0;
	find_scanner(skb, s, port, p, now, &h);
	if (h.state != SCANNER_READY) {
		count(c, FROM_VM, WEB_COPY_LOST, 1);
		return 0;
	}
	__sync_fetch_and_add(&h.scanner->handed, h.frames);
	skb->mark = MARK_MAGIC | MARK_SCANNER_COPY | (id & MARK_VID_MASK);
	failed = bpf_clone_redirect(skb, h.ifindex, 0);
	skb->mark = before;
	if (failed) {
		__sync_fetch_and_add(&h.scanner->handed, -(__u64)h.frames);
		count(c, FROM_VM, WEB_COPY_LOST, 1);
	} else {
		count(c, FROM_VM, WEB_COPIED, h.frames);
	}
	return 0;
}

/* The web scan of a packet. Returns a verdict, or TC_GO_ON: it is not, or no longer, the web scan's. */
static __always_inline int web_scan(struct __sk_buff *skb, struct port *port, struct counters *c, struct packet *p,
				    struct flow *flow, int acts, __u64 now)
{
	enum web_need need = web_need(skb, port, p, flow, now);

	if (need == WEB_NEED_NOTHING)
		return TC_GO_ON;
	if (!acts) {
		if (need == WEB_NEED_LOOK)
			hand_copy(skb, port, p, now);
		return TC_GO_ON;
	}
	if (need == WEB_NEED_DROP) {
		count(c, FROM_VM, WEB_REFUSED, 1);
		return TC_ACT_SHOT;
	}
	return hand_over(skb, port, p, need, now);
}

#endif
