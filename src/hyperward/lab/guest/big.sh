#!/bin/busybox sh
# /cgi-bin/big?bytes=N: that many bytes of lines that say where in the body they stand.
size=${QUERY_STRING#bytes=}
case $size in '' | *[!0-9]*) size=0 ;; esac
printf 'Content-Type: text/plain\r\nContent-Length: %s\r\n\r\n' "$size"
while cat /etc/block; do :; done | head -c "$size"
