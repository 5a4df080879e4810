/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the exclusion rows of a port say of a packet. docs/decisions/0006-exclusions.md has the why. */
#ifndef HYPERWARD_EXCLUDED_H
#define HYPERWARD_EXCLUDED_H

#include "maps.h"
#include "packet.h"

/* A packet's way along the rows that its remote address may meet. */
struct walk {
	struct exclusion_node node;
	__u64 row;
	__u16 vlan;
	__u16 remote_port; /* host byte order */
	__u16 local_port;
	__u8 protocol;
	__u8 known;
	__u8 opened;
	__u8 action; /* the strictest so far */
	__u8 certain;
	__u8 pad;
};

#define NOTHING_YET 255

/*
 * Does the packet meet this row? Returns 1 when the walk is over: a row was met for certain, or nothing can be
 * stricter. What the packet does not show counts as "may be": the walk goes on and the strictest of all holds.
 */
static __always_inline int meet(struct walk *w, const struct exclusion *e)
{
	int certain = 1;

	w->node.number = e->next;
	if ((e->vlan_match == VLAN_NONE && w->vlan) || (e->vlan_match == VLAN_TAGGED && !w->vlan) ||
	    (e->vlan_match == VLAN_ID && w->vlan != e->vlan))
		return 0;
	if (!(w->known & KNOWN_PROTOCOL)) {
		certain = e->protocol == PROTOCOL_ANY && !e->ports;
	} else {
		if (e->protocol != PROTOCOL_ANY && e->protocol != w->protocol)
			return 0;
		if (e->ports && w->protocol != 6 && w->protocol != 17 && w->protocol != 132)
			return 0;
		if (e->ports && !(w->known & KNOWN_PORTS))
			certain = 0;
		else if (e->ports && (w->remote_port < e->remote_from || w->remote_port > e->remote_to ||
				      w->local_port < e->local_from || w->local_port > e->local_to))
			return 0;
	}
	if (e->opened != OPENED_BY_ANY) {
		if (w->opened != OPENED_BY_VM && w->opened != OPENED_BY_REMOTE)
			certain = 0;
		else if (w->opened != e->opened)
			return 0;
	}
	if (e->action < w->action) {
		w->action = e->action;
		w->row = e->row;
	}
	w->certain = certain;
	return certain || w->action == EXCLUSION_DEFAULT;
}

static long next_row(__u32 index, void *context)
{
	struct walk *w = context;
	struct exclusion *e;

	(void)index;
	if (!w->node.number)
		return 1;
	e = bpf_map_lookup_elem(&exclusion_nodes, &w->node);
	/* Taken away under us with the rows that it belonged to: no row, so inspect. */
	if (!e) {
		w->node.number = 0;
		return 1;
	}
	return meet(w, e);
}

/* The first row that the packet meets, of all the rows that hold its remote address. */
static __always_inline void find_row(struct port *port, struct packet *p, __u8 opened, struct walk *w)
{
	struct exclusion *e;

	__builtin_memset(w, 0, sizeof(*w));
	if (p->is_ip == 4) {
		struct exclusion_key4 key = { .prefixlen = 64, .set = port->exclusion_set };

		__builtin_memcpy(key.address, p->key.remote + 12, 4);
		e = bpf_map_lookup_elem(&exclusions4, &key);
	} else {
		struct exclusion_key6 key = { .prefixlen = 160, .set = port->exclusion_set };

		__builtin_memcpy(key.address, p->key.remote, 16);
		e = bpf_map_lookup_elem(&exclusions6, &key);
	}
	if (!e)
		return;
	w->node.set = port->exclusion_set;
	w->vlan = p->key.vlan;
	w->remote_port = bpf_ntohs(p->key.remote_port);
	w->local_port = bpf_ntohs(p->key.local_port);
	w->protocol = p->key.protocol;
	w->known = p->known;
	w->opened = opened;
	w->action = NOTHING_YET;
	/* All fragments of a packet go one way, and only the first has ports. */
	if (p->fragment)
		w->known &= ~KNOWN_PORTS;
	if (p->fragment || !(p->known & KNOWN_PROTOCOL))
		w->opened = 0;
	if (!meet(w, e))
		bpf_loop(MAX_CANDIDATES, next_row, w, 0);
	if (!w->certain && w->action != EXCLUSION_DEFAULT) {
		w->action = EXCLUSION_DEFAULT;
		w->row = 0;
	}
}

static __always_inline void count_hit(struct __sk_buff *skb, __u64 row)
{
	struct exclusion_hits *hits = bpf_map_lookup_elem(&exclusion_hits, &row);

	if (!hits) {
		struct exclusion_hits none = {};

		bpf_map_update_elem(&exclusion_hits, &row, &none, BPF_NOEXIST);
		hits = bpf_map_lookup_elem(&exclusion_hits, &row);
		if (!hits)
			return;
	}
	hits->packets++;
	hits->bytes += skb->len;
}

/*
 * What do the exclusions of the port say? A row's hits are counted if `counts`. The answer for a flow is kept with it
 * until a row changes, so the number of rows costs nothing after the first packet. It is kept only where the packet
 * showed all that rows ask for.
 */
static __always_inline enum exclusion_action excluded(struct __sk_buff *skb, struct port *port, struct packet *p,
						      struct flow *flow, int counts)
{
	__u64 version = (__u64)port->exclusion_version << 32, row;
	int has_ports = p->key.protocol == 6 || p->key.protocol == 17 || p->key.protocol == 132;
	int whole = !p->fragment && p->known & KNOWN_PROTOCOL && (!has_ports || p->known & KNOWN_PORTS);
	enum exclusion_action action;

	if (!(p->known & KNOWN_ADDRESS))
		return EXCLUSION_DEFAULT;
	if (flow && whole && (flow->exclusion & ~0xffffffffULL) == version) {
		action = flow->exclusion & 0xff;
		row = flow->exclusion_row;
	} else {
		struct walk w;

		find_row(port, p, flow ? flow->opened : 0, &w);
		action = w.action;
		row = w.row;
		if (flow && whole) {
			flow->exclusion_row = row;
			flow->exclusion = version | action;
		}
	}
	if (row && counts)
		count_hit(skb, row);
	return action;
}

#endif
