// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Steering: which packet of a protected VM is looked at, and by whom.
 *
 *   from_vm, to_vm      tc ingress and egress of a port
 *   to_engine           tc egress of hwg0 and hwn0: tags what the port programs hand over
 *   from_engine_network tc ingress of hwn0: what the VM sent, inspected, goes on into the port's ingress
 *   from_engine_guest   tc ingress of hwg0: what is meant for the VM, inspected, goes out of the port
 *
 * The port programs never change a packet: they set skb->mark and redirect or clone.
 * The tag is pushed on the inspection pair, so a copy for monitoring cannot leave a trace on the original. Copies (for
 * monitoring, and for a shadow policy) travel under VLAN ids of their own and end when the engine has forwarded them.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
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
/*
 * Suricata 7 and 8 keep the third tag of a packet in the packet's buffer for ever (PacketReinit clears two), so every
 * later packet in that buffer is filed under a connection of its own and no stream is inspected any more, of any VM.
 */
#define MAX_INSPECTED_TAGS 1
#define MAX_EXTENSIONS 6
#define PROBE_LENGTH 192 /* holds the headers up to the checksum that offloading left open */
#define MAX_HEADERS 120  /* Ethernet, tags, IP, TCP of a segment, for the check of GSO segments */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct settings);
} settings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_PORTS);
	__type(key, __u32);
	__type(value, struct port);
} ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_VIDS);
	__type(key, __u32);
	__type(value, struct vid_owner);
} vids SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MAX_PORTS);
	__type(key, __u32);
	__type(value, struct counters);
} port_counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, DIRECTIONS);
	__type(key, __u32);
	__type(value, struct heartbeat);
} heartbeats SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MAX_FLOWS);
	__type(key, struct flow_key);
	__type(value, struct flow);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_BLOCKED);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct blocked_key);
	__type(value, __u64);
} blocked SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, MAX_EXCLUSIONS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct exclusion_key4);
	__type(value, struct exclusion);
} exclusions4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, MAX_EXCLUSIONS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct exclusion_key6);
	__type(value, struct exclusion);
} exclusions6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_EXCLUSIONS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct exclusion_node);
	__type(value, struct exclusion);
} exclusion_nodes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, MAX_EXCLUSION_HITS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct exclusion_hits);
} exclusion_hits SEC(".maps");

enum engine_state { ENGINE_UP, ENGINE_BUSY, ENGINE_DOWN };

/* What of a packet could be read. A guest can hide the rest by fragments, odd headers or short packets. */
enum known { KNOWN_ADDRESS = 1, KNOWN_PROTOCOL = 2, KNOWN_PORTS = 4 };

struct packet {
	struct flow_key key;
	__u32 ack;
	__u8 tcp_flags;
	__u8 is_ip; /* 4 or 6; 0: not IP */
	__u8 tags;  /* the guest's own */
	__u8 known;
	__u8 fragment;
};

static __always_inline void count(struct counters *c, enum direction d, enum counter which, __u64 n)
{
	if (c)
		c->value[d][which] += n;
}

static __always_inline int is_tag(__be16 type)
{
	return type == bpf_htons(ETH_P_8021Q) || type == bpf_htons(ETH_P_8021AD);
}

static __always_inline void map_v4(__u8 *to, __be32 address)
{
	__builtin_memset(to, 0, 10);
	to[10] = 0xff;
	to[11] = 0xff;
	__builtin_memcpy(to + 12, &address, 4);
}

/* Ports, flags and acknowledgement of the transport header at `off`; a short packet leaves them 0. */
static __always_inline void parse_transport(struct __sk_buff *skb, __u32 off, enum direction d, struct packet *p)
{
	struct { __be16 source, dest; __be32 seq, ack; __u8 off, flags; } tcp = {};

	switch (p->key.protocol) {
	case 6: /* TCP */
		if (bpf_skb_load_bytes(skb, off, &tcp, 14) < 0)
			return;
		p->tcp_flags = tcp.flags;
		p->ack = bpf_ntohl(tcp.ack);
		break;
	case 17: /* UDP */
	case 132: /* SCTP */
		if (bpf_skb_load_bytes(skb, off, &tcp, 4) < 0)
			return;
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

static __always_inline struct flow *account(struct __sk_buff *skb, enum direction d, struct packet *p, __u64 now)
{
	struct flow *flow = bpf_map_lookup_elem(&flows, &p->key);

	if (!flow) {
		struct flow fresh = { .first_ns = now };

		if (p->key.protocol != 6)
			fresh.opened = 1 << d;

		bpf_skb_load_bytes(skb, 0, d == FROM_VM ? fresh.peer_mac : fresh.vm_mac, 6);
		bpf_skb_load_bytes(skb, 6, d == FROM_VM ? fresh.vm_mac : fresh.peer_mac, 6);
		bpf_map_update_elem(&flows, &p->key, &fresh, BPF_NOEXIST);
		flow = bpf_map_lookup_elem(&flows, &p->key);
		if (!flow)
			return 0;
	}
	/*
	 * Only the first SYN of a side counts, and a side that answered has sent one: nobody can change afterwards who
	 * began a connection. Where both began, by chance or to confuse us, nobody did.
	 */
	if ((p->tcp_flags & 0x12) == 0x02 && !(flow->flags[d] & 0x02)) {
		flow->opened |= 1 << d;
		flow->exclusion = 0;
	}
	flow->last_ns = now;
	__sync_fetch_and_add(&flow->packets[d], 1);
	__sync_fetch_and_add(&flow->bytes[d], skb->len);
	flow->flags[d] |= p->tcp_flags;
	if (p->tcp_flags & 0x10)
		flow->ack[d] = p->ack;
	return flow;
}

static __always_inline int source_blocked(struct port *port, enum direction d, struct packet *p, __u64 now)
{
	struct blocked_key key = { .segment = port->segment, .vlan = p->key.vlan };
	__u64 *until;

	__builtin_memcpy(key.address, d == FROM_VM ? p->key.local : p->key.remote, 16);
	until = bpf_map_lookup_elem(&blocked, &key);
	return until && now < *until;
}

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
 * What do the exclusions of the port say? The answer for a flow is kept with it until a row changes, so the number of
 * rows costs nothing after the first packet. It is kept only where the packet showed all that rows ask for.
 */
static __always_inline enum exclusion_action excluded(struct __sk_buff *skb, struct port *port, struct packet *p,
						      struct flow *flow)
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
	if (row)
		count_hit(skb, row);
	return action;
}

/* Hand a copy to an inspection pair and leave the packet as it was. */
static __always_inline long copy_to(struct __sk_buff *skb, __u32 ifindex, __u32 mark)
{
	__u32 before = skb->mark;
	long failed;

	skb->mark = mark;
	failed = bpf_clone_redirect(skb, ifindex, 0);
	skb->mark = before;
	return failed;
}

/*
 * Is the engine answering in this direction? Probes ride on the VM's own traffic: while there is none, nobody waits
 * for the engine, and no daemon has to live for the answer to be right. A race of two CPUs sends two probes.
 */
static __always_inline enum engine_state engine(struct __sk_buff *skb, struct settings *s, __u32 ifindex,
						__u32 d, __u64 now)
{
	struct heartbeat *hb = bpf_map_lookup_elem(&heartbeats, &d);
	enum engine_state state = ENGINE_UP;
	__u64 quiet_since, pending;

	if (!hb || !ifindex)
		return ENGINE_DOWN;
	pending = hb->pending_ns;
	if (!hb->answered_ns) {
		/* Never answered, or user space saw it die and cleared the entry: do not wait to find out. */
		state = ENGINE_DOWN;
	} else if (hb->answered_ns < pending) {
		quiet_since = hb->alive_ns > pending ? hb->alive_ns : pending;
		if (now > quiet_since && now - quiet_since > s->down_ns)
			state = ENGINE_DOWN;
		else if (hb->alive_ns > pending && now > pending && now - pending > s->busy_ns)
			/* Others come back, so it lives. Without them it is dead or not, and `down` decides which. */
			state = ENGINE_BUSY;
	} else {
		pending = 0;
	}
	/* A probe that could not even be sent (its packet's headers are longer than a probe) proves nothing. */
	if (now - hb->sent_ns > s->probe_ns && !copy_to(skb, ifindex, MARK_MAGIC | MARK_PROBE)) {
		if (!pending)
			hb->pending_ns = now;
		hb->sent_ns = now;
	}
	return state;
}

static __always_inline int failure_action(struct port *port, struct counters *c, enum direction d,
					  enum engine_state state)
{
	if (state == ENGINE_DOWN) {
		int closed = port->flags & PORT_CLOSED_DOWN;

		count(c, d, closed ? CLOSED_DOWN : OPEN_DOWN, 1);
		return closed ? TC_ACT_SHOT : TC_ACT_UNSPEC;
	}
	int closed = port->flags & PORT_CLOSED_BUSY;

	count(c, d, closed ? CLOSED_BUSY : OPEN_BUSY, 1);
	return closed ? TC_ACT_SHOT : TC_ACT_UNSPEC;
}

/* A frame that the inspection pair would refuse for its length would be lost there without a trace. */
static __always_inline int too_long(struct __sk_buff *skb, struct settings *s)
{
	if (skb->gso_size)
		return skb->gso_size + MAX_HEADERS > s->max_frame;
	return skb->len > s->max_frame;
}

/*
 * A copy for the rules of a shadow policy, whatever the active one does with the packet. What cannot be copied is left
 * out: nothing of the active policy waits for a shadow. As in monitoring, both directions go in at one end.
 */
static __always_inline void shadow(struct __sk_buff *skb, struct settings *s, struct port *port, struct counters *c,
				   enum direction d, struct packet *p)
{
	__u32 kind = d == TO_VM ? MARK_COPY_TO_VM : MARK_TAG;

	if (!port->shadow_vid || !s->guest_ifindex || p->tags > MAX_INSPECTED_TAGS || too_long(skb, s))
		return;
	if (!copy_to(skb, s->guest_ifindex, MARK_MAGIC | kind | (port->shadow_vid & MARK_VID_MASK)))
		count(c, d, SHADOW_COPIED, 1);
}

static __always_inline int steer(struct __sk_buff *skb, enum direction d)
{
	__u32 ifindex = skb->ifindex, zero = 0, pair, mark;
	struct settings *s = bpf_map_lookup_elem(&settings, &zero);
	struct port *port = bpf_map_lookup_elem(&ports, &ifindex);
	struct counters *c;
	struct packet p;
	struct flow *flow;
	enum engine_state state;
	enum exclusion_action exclusion = EXCLUSION_DEFAULT;
	__u32 vid;
	__u64 now;
	int is_blocked;

	if ((skb->mark & (MARK_MAGIC_MASK | MARK_KIND_MASK)) == (MARK_MAGIC | MARK_RETURNED)) {
		skb->mark = 0;
		return TC_ACT_UNSPEC;
	}
	if (!s || !port || port->mode == MODE_PASS)
		return TC_ACT_UNSPEC;
	c = bpf_map_lookup_elem(&port_counters, &port->id);
	count(c, d, SEEN_PACKETS, 1);
	count(c, d, SEEN_BYTES, skb->len);
	parse(skb, d, &p);
	if (!p.is_ip) {
		count(c, d, NOT_IP, 1);
		return TC_ACT_UNSPEC;
	}
	p.key.port_id = port->id;
	now = bpf_ktime_get_ns();
	is_blocked = port->mode == MODE_STANDARD && source_blocked(port, d, &p, now);
	/* A blocked source must not fill the table of flows. */
	flow = is_blocked ? bpf_map_lookup_elem(&flows, &p.key) : account(skb, d, &p, now);
	if (port->exclusion_set)
		exclusion = excluded(skb, port, &p, flow);
	/* An excluded address is never acted upon, also not because of what it did to another VM of its network. */
	if (is_blocked && exclusion == EXCLUSION_DEFAULT) {
		count(c, d, BLOCKED_SOURCE, 1);
		return TC_ACT_SHOT;
	}
	if (is_blocked)
		account(skb, d, &p, now);
	if (exclusion == EXCLUSION_DO_NOT_SCAN) {
		count(c, d, NOT_SCANNED, 1);
		return TC_ACT_UNSPEC;
	}
	pair = d == FROM_VM ? s->guest_ifindex : s->network_ifindex;
	vid = port->vid;
	if (exclusion == EXCLUSION_DO_NOT_BLOCK && port->mode == MODE_STANDARD && port->observe_vid) {
		vid = port->observe_vid;
		count(c, d, OBSERVED_ONLY, 1);
	}
	mark = MARK_MAGIC | MARK_TAG | (vid & MARK_VID_MASK);
	if (port->mode == MODE_MONITORING) {
		/*
		 * Both directions go in at one end, where one engine thread takes them in their order. Nothing holds an
		 * original back until its copy was looked at: with a thread for each direction, an answer would
		 * be seen before its request, and the connection would be given up as broken.
		 */
		if (d == TO_VM)
			mark = MARK_MAGIC | MARK_COPY_TO_VM | (port->vid & MARK_VID_MASK);
		if (p.tags > MAX_INSPECTED_TAGS)
			count(c, d, CLONE_FAILED, 1);
		else
			count(c, d, copy_to(skb, s->guest_ifindex, mark) ? CLONE_FAILED : CLONED, 1);
		shadow(skb, s, port, c, d, &p);
		return TC_ACT_UNSPEC;
	}
	state = engine(skb, s, pair, d, now);
	if (state == ENGINE_UP && (too_long(skb, s) || p.tags > MAX_INSPECTED_TAGS))
		state = ENGINE_BUSY;
	if (state != ENGINE_UP)
		return failure_action(port, c, d, state);
	shadow(skb, s, port, c, d, &p);
	count(c, d, TO_ENGINE, 1);
	skb->mark = mark;
	return bpf_redirect(pair, 0);
}

SEC("tc")
int from_vm(struct __sk_buff *skb)
{
	return steer(skb, FROM_VM);
}

SEC("tc")
int to_vm(struct __sk_buff *skb)
{
	return steer(skb, TO_VM);
}

/* Whatever did not come from our port programs has no business on an inspection pair. */
SEC("tc")
int to_engine(struct __sk_buff *skb)
{
	__u32 mark = skb->mark, vid = mark & MARK_VID_MASK;
	__be16 type = bpf_htons(ETHERTYPE_PROBE);

	if ((mark & MARK_MAGIC_MASK) != MARK_MAGIC)
		return TC_ACT_SHOT;
	if ((mark & MARK_KIND_MASK) == MARK_PROBE) {
		if (skb->len > PROBE_LENGTH && bpf_skb_change_tail(skb, PROBE_LENGTH, 0) < 0)
			return TC_ACT_SHOT;
		if (skb->vlan_present && bpf_skb_vlan_pop(skb) < 0)
			return TC_ACT_SHOT;
		if (bpf_skb_store_bytes(skb, 12, &type, 2, 0) < 0)
			return TC_ACT_SHOT;
		vid = VID_PROBE;
	} else if ((mark & MARK_KIND_MASK) == MARK_COPY_TO_VM) {
		vid |= TCI_COPY_TO_VM;
	} else if ((mark & MARK_KIND_MASK) != MARK_TAG) {
		return TC_ACT_SHOT;
	}
	skb->mark = 0;
	return bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), vid) < 0 ? TC_ACT_SHOT : TC_ACT_OK;
}

static __always_inline int from_engine(struct __sk_buff *skb, enum direction d)
{
	__u32 direction = d, vid, port_id;
	struct heartbeat *hb = bpf_map_lookup_elem(&heartbeats, &direction);
	struct vid_owner *owner;
	struct { __be16 type, tci; } tag;
	__u64 now = bpf_ktime_get_ns();

	if (skb->vlan_present) {
		vid = skb->vlan_tci & 0xfff;
	} else {
		if (bpf_skb_load_bytes(skb, 12, &tag, sizeof(tag)) < 0 || !is_tag(tag.type))
			return TC_ACT_SHOT;
		vid = bpf_ntohs(tag.tci) & 0xfff;
	}
	if (hb) {
		hb->alive_ns = now;
		if (vid == VID_PROBE)
			hb->answered_ns = now;
	}
	owner = bpf_map_lookup_elem(&vids, &vid);
	if (vid == VID_PROBE || !owner || !owner->ifindex || owner->copies)
		return TC_ACT_SHOT;
	port_id = owner->port_id;
	count(bpf_map_lookup_elem(&port_counters, &port_id), d, FROM_ENGINE, 1);
	if (bpf_skb_vlan_pop(skb) < 0)
		return TC_ACT_SHOT;
	skb->mark = MARK_MAGIC | MARK_RETURNED;
	return bpf_redirect(owner->ifindex, d == FROM_VM ? BPF_F_INGRESS : 0);
}

SEC("tc")
int from_engine_network(struct __sk_buff *skb)
{
	return from_engine(skb, FROM_VM);
}

SEC("tc")
int from_engine_guest(struct __sk_buff *skb)
{
	return from_engine(skb, TO_VM);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
