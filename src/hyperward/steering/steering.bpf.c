// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Steering: which packet of a protected VM is looked at, and by whom.
 *
 *   from_vm, to_vm      tc ingress and egress of a port
 *   to_engine           tc egress of hwg0 and hwn0: tags what the port programs hand over
 *   from_engine_network tc ingress of hwn0: what the VM sent, inspected, goes on into the port's ingress
 *   from_engine_guest   tc ingress of hwg0: what is meant for the VM, inspected, goes out of the port
 *   to_scanner          tc egress of a web scanner's TAP device: tags what the port programs hand over
 *   from_scanner        tc ingress of it: what the VM sent goes on into the port's ingress, what the scanner made to the VM
 *
 * The port programs never change a packet: they set skb->mark and redirect or clone.
 * The tag is pushed on the inspection pair or TAP, so a copy for monitoring cannot leave a trace on the original. Copies
 * (for monitoring, and for a shadow policy) travel under VLAN ids of their own and end when the engine has forwarded them.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <linux/types.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "steering.h"
#include "excluded.h"
#include "maps.h"
#include "packet.h"
#include "web.h"
#include "handover.h"

/*
 * Suricata 7 and 8 keep the third tag of a packet in the packet's buffer for ever (PacketReinit clears two), so every
 * later packet in that buffer is filed under a connection of its own and no stream is inspected any more, of any VM.
 */
#define MAX_INSPECTED_TAGS 1
#define PROBE_LENGTH 192 /* holds the headers up to the checksum that offloading left open */
#define MAX_HEADERS 120  /* Ethernet, tags, IP, TCP of a segment, for the check of GSO segments */

enum engine_state { ENGINE_UP, ENGINE_BUSY, ENGINE_DOWN };

/*
 * A connection with the same addresses and ports as another begins when the remote end accepts it. The SYN alone proves
 * nothing: a VM may send one in the middle of a connection, and the other end would read on where it was.
 */
static __always_inline void note_opening(struct flow *flow, enum direction d, struct packet *p, __u64 now)
{
	int is_answer = p->tcp_flags & TCP_ACK;

	if (d == FROM_VM && !is_answer) {
		flow->syn = p->seq;
		flow->opening = 1;
	}
	/* It may acknowledge data that came with the SYN (RFC 7413). */
	if (d == TO_VM && is_answer && flow->opening && p->ack - flow->syn - 1 <= 0xffff) {
		flow->opening = 0;
		flow->began_ns = now;
		bpf_map_delete_elem(&web_flows, &p->key);
	}
}

static __always_inline struct flow *account(struct __sk_buff *skb, enum direction d, struct packet *p, __u64 now)
{
	struct flow *flow = bpf_map_lookup_elem(&flows, &p->key);

	if (!flow) {
		struct flow fresh = { .first_ns = now };

		if (p->key.protocol != TCP)
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
	if ((p->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN && !(flow->flags[d] & TCP_SYN)) {
		flow->opened |= 1 << d;
		flow->exclusion = 0;
	}
	if (p->tcp_flags & TCP_SYN)
		note_opening(flow, d, p, now);
	flow->last_ns = now;
	__sync_fetch_and_add(&flow->packets[d], 1);
	__sync_fetch_and_add(&flow->bytes[d], skb->len);
	flow->flags[d] |= p->tcp_flags;
	if (p->tcp_flags & TCP_ACK)
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

/* The web scan on a port that has it. Returns a verdict, or TC_GO_ON. */
static __always_inline int web(struct __sk_buff *skb, struct port *port, struct counters *c, enum direction d,
			       struct packet *p, struct flow *flow, enum exclusion_action exclusion, __u64 now)
{
	int acts = port->mode == MODE_STANDARD && exclusion == EXCLUSION_DEFAULT;

	if (d == FROM_VM)
		return web_scan(skb, port, c, p, flow, acts, now);
	if (!acts || !is_refused(p, flow, now))
		return TC_GO_ON;
	count(c, TO_VM, WEB_REFUSED, 1);
	return TC_ACT_SHOT;
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
	__u32 vid, kind = skb->mark & (MARK_MAGIC_MASK | MARK_KIND_MASK);
	__u64 now;
	int verdict, is_blocked, scanned = d == FROM_VM && kind == (MARK_MAGIC | MARK_SCANNED);

	if (scanned || kind == (MARK_MAGIC | MARK_RETURNED))
		skb->mark = 0;
	if (kind == (MARK_MAGIC | MARK_RETURNED))
		return TC_ACT_UNSPEC;
	if (!s || !port || port->mode == MODE_PASS)
		return TC_ACT_UNSPEC;
	c = bpf_map_lookup_elem(&port_counters, &port->id);
	if (!scanned) {
		count(c, d, SEEN_PACKETS, 1);
		count(c, d, SEEN_BYTES, skb->len);
	}
	parse(skb, d, &p);
	if (!p.is_ip) {
		count(c, d, NOT_IP, 1);
		return TC_ACT_UNSPEC;
	}
	p.key.port_id = port->id;
	now = bpf_ktime_get_ns();
	is_blocked = port->mode == MODE_STANDARD && source_blocked(port, d, &p, now);
	/* A blocked source must not fill the table of flows; what a scanner let go on has been counted. */
	flow = is_blocked || scanned ? bpf_map_lookup_elem(&flows, &p.key) : account(skb, d, &p, now);
	if (port->exclusion_set)
		exclusion = excluded(skb, port, &p, flow, !scanned);
	/* An excluded address is never acted upon, also not because of what it did to another VM of its network. */
	if (is_blocked && exclusion == EXCLUSION_DEFAULT) {
		count(c, d, BLOCKED_SOURCE, 1);
		return TC_ACT_SHOT;
	}
	if (is_blocked && !scanned)
		flow = account(skb, d, &p, now);
	if (exclusion == EXCLUSION_DO_NOT_SCAN) {
		count(c, d, NOT_SCANNED, 1);
		return TC_ACT_UNSPEC;
	}
	if (port->web && !scanned) {
		verdict = web(skb, port, c, d, &p, flow, exclusion, now);
		if (verdict != TC_GO_ON)
			return verdict;
	}
	pair = d == FROM_VM ? s->guest_ifindex : s->network_ifindex;
	vid = port->vid;
	if (exclusion == EXCLUSION_DO_NOT_BLOCK && port->mode == MODE_STANDARD && port->observe_vid) {
		vid = port->observe_vid;
		count(c, d, OBSERVED_ONLY, 1);
	}
	if (!vid) {
		/* Only the web is scanned, and a shadow policy may look on. */
		if (port->shadow_vid && (port->mode == MODE_MONITORING || engine(skb, s, pair, d, now) == ENGINE_UP))
			shadow(skb, s, port, c, d, &p);
		return TC_ACT_UNSPEC;
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

/* Whatever did not come from our port programs has no business on a web scanner's device. */
SEC("tc")
int to_scanner(struct __sk_buff *skb)
{
	__u32 kind = skb->mark & (MARK_MAGIC_MASK | MARK_KIND_MASK), tci = skb->mark & MARK_VID_MASK;

	if (kind == (MARK_MAGIC | MARK_SCANNER_COPY))
		tci |= PCP_COPY << PCP_SHIFT;
	else if (kind != (MARK_MAGIC | MARK_SCANNER))
		return TC_ACT_SHOT;
	skb->mark = 0;
	return bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), tci) < 0 ? TC_ACT_SHOT : TC_ACT_OK;
}

SEC("tc")
int from_scanner(struct __sk_buff *skb)
{
	__u32 tci, id, priority, *device;
	struct port *port;

	if (read_tag(skb, &tci) < 0)
		return TC_ACT_SHOT;
	id = tci & 0xfff;
	priority = tci >> PCP_SHIFT & 7;
	device = bpf_map_lookup_elem(&port_devices, &id);
	if (!device || !*device || bpf_skb_vlan_pop(skb) < 0)
		return TC_ACT_SHOT;
	if (priority == PCP_ORIGINAL || priority == PCP_WHOLE) {
		count(bpf_map_lookup_elem(&port_counters, &id), FROM_VM, WEB_BACK, 1);
		skb->mark = priority == PCP_ORIGINAL ? MARK_MAGIC | MARK_SCANNED : 0;
		return bpf_redirect(*device, BPF_F_INGRESS);
	}
	port = bpf_map_lookup_elem(&ports, device);
	/* In monitoring mode nobody speaks to a VM, whatever a scanner believes. */
	if (priority != PCP_CRAFTED || !port || port->mode != MODE_STANDARD)
		return TC_ACT_SHOT;
	count(bpf_map_lookup_elem(&port_counters, &id), TO_VM, WEB_CRAFTED, 1);
	skb->mark = MARK_MAGIC | MARK_RETURNED;
	return bpf_redirect(*device, 0);
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
	__u64 now = bpf_ktime_get_ns();

	if (read_tag(skb, &vid) < 0)
		return TC_ACT_SHOT;
	vid &= 0xfff;
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
