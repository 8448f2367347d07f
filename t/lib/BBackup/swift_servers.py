# swift_servers.py - run the servers of OpenStack Swift that BBackup::S3 configured.
#
#	swift_servers.py DIRECTORY AHEAD SERVER=PORT...
#
# The servers are account, container, object, proxy and tls.  Each is a process
# that runs what Swift's own program for it runs, but all are forked from this
# one, because to load Swift takes more time than most tests spend in it.  The
# rings are made if they aren't there.  Proxies start when the other servers
# listen, as one that finds no container server answers that there is no bucket.
# The servers' clock is AHEAD seconds ahead.  Their PIDs are written to standard
# output, which is closed then.  This process ends after the last of them.

import _socket
import os
import sys
import time

import eventlet

directory, ahead = sys.argv[1], float(sys.argv[2])
ports = dict(argument.split('=') for argument in sys.argv[3:])
storage = [server for server in ('account', 'container', 'object')
           if server in ports]
proxies = [server for server in ('proxy', 'tls') if server in ports]

# before other modules import it by name
if ahead:
    now = time.time
    time.time = lambda: now() + ahead

# Swift does this in each process; it takes long if there are many modules.  The
# parent itself doesn't use what is patched.
sleep, wait = time.sleep, os.wait
eventlet.monkey_patch(all=False, socket=True, select=True, thread=True)

from swift.common.ring.builder import RingBuilder
from swift.common.wsgi import run_wsgi
import swift.common.middleware.s3api.s3api
import swift.obj.server
import swift.container.server
import swift.account.server
import swift.proxy.server


def make_ring(server):
    builder = RingBuilder(4, 1, 0)
    builder.add_dev({'id': 0, 'region': 1, 'zone': 1, 'weight': 1.0,
                     'ip': '127.0.0.1', 'port': int(ports[server]),
                     'replication_ip': '127.0.0.1',
                     'replication_port': int(ports[server]),
                     'device': 'disk', 'meta': ''})
    builder.rebalance()
    builder.get_ring().save('%s/%s.ring.gz' % (directory, server))


def run(server):
    pid = os.fork()
    if pid > 0:
        print(pid, flush=True)
        return
    os.dup2(2, 1)
    options = {}
    if server == 'object':
        options['global_conf_callback'] = swift.obj.server.global_conf_callback
    program = 'proxy' if server == 'tls' else server
    os._exit(run_wsgi('%s/%s.conf' % (directory, server),
                      program + '-server', **options))


def wait_for(server):
    while True:
        try:
            connection = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
            connection.connect(('127.0.0.1', int(ports[server])))
            connection.close()
            return
        except ConnectionRefusedError:
            sleep(0.05)


for server in storage:
    if not os.path.exists('%s/%s.ring.gz' % (directory, server)):
        make_ring(server)
    run(server)
if proxies:
    for server in storage:
        wait_for(server)
for server in proxies:
    run(server)

os.dup2(2, 1)
while True:
    try:
        wait()
    except ChildProcessError:
        break
