/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Layout that the steering program shares with user space. Its Python twin is layout.py; a test holds the two against
 * each other through BTF. Raise LAYOUT_VERSION with every change: a daemon that finds pinned maps of another layout
 * replaces them instead of reading them wrong.
 */
#ifndef HYPERWARD_STEERING_H
#define HYPERWARD_STEERING_H

#define LAYOUT_VERSION 4

#define MAX_PORTS 2048   /* port ids 1..2047 */
#define MAX_VIDS 4096    /* 12 bits of 802.1Q */
#define MAX_FLOWS 131072 /* least recently used ones leave */
#define MAX_BLOCKED 65536
#define MAX_EXCLUSIONS 1048576 /* prefixes of all sets together, for each of IPv4 and IPv6; also nodes of decision lists */
#define MAX_EXCLUSION_HITS 262144
#define MAX_CANDIDATES 64      /* rows that one address can meet before one of them decides for certain */
#define MAX_WEB_FLOWS 131072   /* least recently used ones leave */
#define MAX_SCANNERS 16

/* 4095 is reserved by 802.1Q, 4094 is ours for probes, 0 means "priority tag only". */
#define VID_PROBE 4094
/* IEEE 802 local experimental ethertype 1: the engine forwards it and looks no further. */
#define ETHERTYPE_PROBE 0x88B5

/* skb->mark while a packet travels between our own programs: magic, kind, VLAN id. */
#define MARK_MAGIC 0x48570000u
#define MARK_MAGIC_MASK 0xffff0000u
#define MARK_KIND_MASK 0x0000f000u
#define MARK_VID_MASK 0x00000fffu
#define MARK_TAG 0x1000u      /* to an inspection pair: push this VLAN id */
#define MARK_PROBE 0x2000u    /* to an inspection pair: make this copy a probe */
#define MARK_RETURNED 0x3000u /* back from the engine: let pass */
#define MARK_COPY_TO_VM 0x4000u /* to an inspection pair: push this VLAN id, and TCI_COPY_TO_VM */
#define MARK_SCANNER 0x5000u      /* to a web scanner: push this port id; the packet itself */
#define MARK_SCANNER_COPY 0x6000u /* to a web scanner: push this port id, and PCP_COPY */
#define MARK_SCANNED 0x7000u      /* back from a web scanner: go on with what comes after the web scan */

/* Priority 1 in the tag of a copy that was on its way to the VM: copies of both directions go in at the same end. */
#define TCI_COPY_TO_VM 0x2000u

/* Between kernel and web scanner the tag's VLAN id is the port id; its priority says what the frame is. */
#define PCP_SHIFT 13
#define PCP_ORIGINAL 0 /* to the scanner: it decides; from the scanner: the VM's packet goes on */
#define PCP_CRAFTED 1  /* from the scanner: its own packet to the VM */
#define PCP_COPY 2     /* to the scanner: the packet itself is on its way already; never comes back */
#define PCP_WHOLE 3    /* from the scanner: fragments of the VM put together, to be steered like any packet of it */

enum direction { FROM_VM = 0, TO_VM = 1, DIRECTIONS = 2 };

enum port_mode { MODE_PASS = 0, MODE_STANDARD = 1, MODE_MONITORING = 2 };

enum port_flag {
	PORT_CLOSED_DOWN = 1,  /* drop when the engine is down; else pass */
	PORT_CLOSED_BUSY = 2,  /* drop when the engine is busy; else pass */
	PORT_OWNS_QDISC = 4,   /* we created clsact, so we remove it */
};

/* Which requests of a port the web scanners look at. */
enum web_part { WEB_TCP = 1, WEB_QUIC = 2, WEB_DNS = 4 };

enum counter {
	SEEN_PACKETS,
	SEEN_BYTES,
	NOT_IP,
	TO_ENGINE,
	FROM_ENGINE,
	CLONED,
	CLONE_FAILED,
	OPEN_DOWN,
	OPEN_BUSY,
	CLOSED_DOWN,
	CLOSED_BUSY,
	BLOCKED_SOURCE,
	NOT_SCANNED,   /* excluded: do_not_scan */
	OBSERVED_ONLY, /* excluded: do_not_block, to the engine under observe_vid */
	SHADOW_COPIED, /* copies for the rules of a shadow policy, beside all else */
	WEB_HANDED,    /* frames to a web scanner, after segmentation */
	WEB_COPIED,    /* the same of copies */
	WEB_BACK,      /* frames of the VM that a web scanner let go on */
	WEB_CRAFTED,   /* frames that a web scanner sent to the VM */
	WEB_LIMITED,   /* packets dropped: the port asked for more than its share of busy scanners */
	WEB_REFUSED,   /* packets dropped: their flow has its verdict */
	WEB_OPEN_DOWN,
	WEB_OPEN_BUSY,
	WEB_CLOSED_DOWN,
	WEB_CLOSED_BUSY,
	WEB_COPY_LOST, /* packets whose copy no scanner could take */
	COUNTERS,
};

struct settings {
	__u32 layout_version;
	__u32 guest_ifindex;   /* hwg0 */
	__u32 network_ifindex; /* hwn0 */
	__u32 max_frame;       /* longest frame in bytes, without our tag, that the pairs carry */
	__u64 down_ns;         /* nothing came back for so long: down */
	__u64 busy_ns;         /* a probe is overdue for so long: busy */
	__u64 probe_ns;        /* time between two probes */
	__u32 scanners;        /* web scanners; 0: none, and they count as down */
	__u32 web_queue;       /* frames that may wait for one scanner; beyond: busy */
	__u32 web_rate;        /* while more than a quarter of it waits: frames a second of one port, */
	__u32 web_burst;       /* and so many at once */
};

/* Key: ifindex. */
struct port {
	__u32 id;
	__u16 vid;     /* the VLAN id that its packets take: enforce, observe, or copies for monitoring */
	__u8 mode;     /* enum port_mode */
	__u8 flags;    /* enum port_flag */
	__u32 segment; /* broadcast domain, so that a block of one network does not hit another */
	__u16 observe_vid; /* the VLAN id of packets that a row says do_not_block of; 0: none */
	__u16 shadow_vid;  /* the VLAN id of copies for a shadow policy; 0: none */
	__u32 exclusion_set;     /* 0: none, and nothing is looked up */
	__u32 exclusion_version; /* another one whenever rows of the set changed; never 0 with a set */
	__u32 web;               /* enum web_part bits; 0: no web scan */
};

/* Key: VLAN id. */
struct vid_owner {
	__u32 ifindex; /* 0: nobody */
	__u16 port_id;
	__u16 copies;  /* 1: only copies (monitoring, shadow policy) travel under this id, and end when they come back */
};

struct counters {
	__u64 value[DIRECTIONS][COUNTERS];
};

/* Key: direction. Times are CLOCK_MONOTONIC in ns. */
struct heartbeat {
	__u64 pending_ns;  /* the oldest probe without an answer was sent then */
	__u64 sent_ns;     /* the last probe was sent then */
	__u64 answered_ns; /* the last probe came back then */
	__u64 alive_ns;    /* the last packet of any kind came back then */
};

struct flow_key {
	__u8 local[16];  /* the VM's address; IPv4 as ::ffff:a.b.c.d */
	__u8 remote[16];
	__u32 port_id;
	__u16 local_port;  /* network byte order; 0 without ports and in later fragments */
	__u16 remote_port;
	__u16 vlan; /* the guest's own VLAN id, 0 without one */
	__u8 protocol;
	__u8 pad;
};

struct flow {
	__u64 first_ns;
	__u64 last_ns;
	__u64 packets[DIRECTIONS];
	__u64 bytes[DIRECTIONS];
	__u32 ack[DIRECTIONS];   /* last acknowledgement number seen, host byte order: what that side expects next */
	__u8 flags[DIRECTIONS];  /* all TCP flags seen */
	__u8 vm_mac[6];
	__u8 peer_mac[6];
	__u8 opened;         /* enum opener bits: who began it; 0: we were not there, both: nobody can tell */
	__u8 opening;        /* 1: a SYN of the VM has no answer yet */
	__u64 exclusion;     /* what the exclusions said: exclusion_version << 32 | enum exclusion_action */
	__u64 exclusion_row; /* the row that said it; 0: none */
	__u64 began_ns;      /* the remote end accepted the VM's connection then; names the connection; 0: not seen */
	__u32 syn;           /* sequence number of the VM's last SYN, host byte order */
	__u32 pad;
};

enum opener { OPENED_BY_VM = 1, OPENED_BY_REMOTE = 2, OPENED_BY_ANY = 3 };

/* The smaller, the stricter: where it cannot be known which of two rows is met, the stricter holds. */
enum exclusion_action { EXCLUSION_DEFAULT = 0, EXCLUSION_DO_NOT_BLOCK = 1, EXCLUSION_DO_NOT_SCAN = 2 };

enum vlan_match { VLAN_ANY = 0, VLAN_NONE = 1, VLAN_TAGGED = 2, VLAN_ID = 3 };

#define PROTOCOL_ANY 256

/* Keys of the tries; prefixlen counts the 32 bits of the set's number. */
struct exclusion_key4 {
	__u32 prefixlen;
	__u32 set;
	__u8 address[4];
};

struct exclusion_key6 {
	__u32 prefixlen;
	__u32 set;
	__u8 address[16];
};

/* A row that an address may meet, and the node of the next one. Numbers are in host byte order. */
struct exclusion {
	__u64 row;  /* what its hits are counted under */
	__u32 next; /* 0: no further one */
	__u16 remote_from;
	__u16 remote_to;
	__u16 local_from;
	__u16 local_to;
	__u16 vlan;
	__u16 protocol;  /* PROTOCOL_ANY: any */
	__u8 vlan_match; /* enum vlan_match */
	__u8 opened;     /* enum opener */
	__u8 ports;      /* 1: the ports count; then only TCP, UDP and SCTP match */
	__u8 action;     /* enum exclusion_action */
	__u32 pad;
};

struct exclusion_node {
	__u32 set;
	__u32 number; /* from 1 */
};

struct exclusion_hits {
	__u64 packets;
	__u64 bytes;
};

enum web_state {
	WEB_UNTIL = 1,   /* bytes of [from, until) may pass without a look */
	WEB_DONE = 2,    /* every byte from `from` on may pass */
	WEB_BLOCKED = 3, /* nothing to the VM; the scanner answers whatever comes from it */
	WEB_DROPPED = 4, /* nothing in either direction */
};

/*
 * What the web scanner knows of a flow; its key is struct flow_key. The scanner writes it, with the `began_ns` of the flow
 * that it read before: an entry of another connection with the same ports counts as none, however late it was written.
 * The kernel takes it away when a connection is accepted, and keeps in it that the remote end has acknowledged `from`:
 * what is sent again from before it is then ignored there, whatever its content. `settled_from` says for which `from`
 * that was found, because an entry of a least-recently-used map may become another flow's under the hands of its reader.
 * Sequence numbers are in host byte order, as is their arithmetic, modulo 2^32.
 */
struct web_flow {
	__u32 from;
	__u32 until; /* at most 2^30 beyond `from` */
	__u8 state;  /* enum web_state */
	__u8 settled;
	__u16 pad;
	__u32 settled_from;
	__u64 expires_ns; /* CLOCK_MONOTONIC; 0: never */
	__u64 began_ns;   /* of the connection, as in struct flow */
};

/* A web scanner, by index. User space writes the first cache line through a memory map, the kernel the second. */
struct scanner {
	__u64 alive_ns; /* CLOCK_MONOTONIC: it handled packets or waited for them then; 0: known to be dead */
	__u64 taken;    /* frames that it has taken out of its queue */
	__u64 pad[6];
	__u64 handed;   /* frames put into its queue */
	__u64 pad2[7];
};

/* Value: CLOCK_MONOTONIC ns until which the source is dropped. */
struct blocked_key {
	__u8 address[16];
	__u32 segment;
	__u16 vlan;
	__u16 pad;
};

#endif
