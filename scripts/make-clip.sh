#!/usr/bin/env bash
# Makes the two sample channels, testdata/clips/{news,sport}.ts, from ffmpeg's own test sources: nobody's picture or music.
# Needs ffmpeg (libx264, drawtext) and the DejaVu fonts (Debian: ffmpeg, fonts-dejavu-core). The same ffmpeg makes the
# same octets.
#
# 24 s are 360 frames of picture and 1,125 frames of AAC at 48 kHz, both exactly, so that a loop has no seam. A group of
# pictures is a third of a second: whoever is first at an edge need not wait long for a key frame. No B-frames. The
# multiplex has a constant rate, 200 TS packets a second (300.8 kbit/s), so that a reserved rate is the rate sent.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly seconds=24 fps=15 gop=5 packets_per_second=200
readonly mux_bps=$((packets_per_second * 188 * 8))
readonly font=/usr/share/fonts/truetype/dejavu/DejaVuSans-Bold.ttf
readonly mono=/usr/share/fonts/truetype/dejavu/DejaVuSansMono-Bold.ttf
# The AAC encoder puts one frame of its own before the first: it is given one frame less.
readonly samples=$((seconds * 48000 - 1024))

# clip NAME TITLE PICTURE TONE BAND: PICTURE is a lavfi graph, TONE an aevalsrc expression, BAND the colour behind the words.
clip() {
  local name=$1 title=$2 picture=$3 tone=$4 band=$5
  local words="drawbox=x=0:y=ih-64:w=iw:h=64:color=${band}:t=fill,\
drawtext=fontfile=${font}:text='${title}':x=12:y=h-48:fontsize=30:fontcolor=white,\
drawtext=fontfile=${mono}:text='%{eif\:t\:d\:2}.%{eif\:mod(n\,${fps})\:d\:2}':x=w-tw-12:y=h-46:fontsize=28:fontcolor=white"
  ffmpeg -nostdin -v error -y \
    -f lavfi -i "${picture},${words},format=yuv420p" \
    -f lavfi -i "aevalsrc=exprs='${tone}':sample_rate=48000:channel_layout=mono,atrim=end_sample=${samples}" \
    -c:v libx264 -profile:v main -preset veryslow -threads 1 -bf 0 -g $gop -keyint_min $gop -sc_threshold 0 \
    -b:v 150k -maxrate 150k -bufsize 75k \
    -c:a aac -b:a 48k -ac 1 \
    -map_metadata -1 -metadata service_name="${title}" -metadata service_provider=sipcast \
    -fflags +bitexact -flags:v +bitexact -flags:a +bitexact \
    -f mpegts -muxrate $mux_bps -muxdelay 0.5 -muxpreload 0 -pcr_period 40 -pat_period 0.2 -sdt_period 2 \
    "testdata/clips/${name}.ts"
}

clip news "NEWS" "testsrc2=size=320x240:rate=${fps}:duration=${seconds}" \
  '0.25*sin(2*PI*523.25*t)*exp(-7*mod(t\,1))' 'navy'
clip sport "SPORT" "gradients=size=320x240:rate=${fps}:duration=${seconds}:seed=7:n=4:speed=0.01:c0=0x0b6e2e:c1=0x9be15d:c2=0x00b09b:c3=0xf5d020" \
  '0.2*(sin(2*PI*329.63*t)+sin(2*PI*392*t))*exp(-9*mod(t\,0.5))' 'darkgreen'
