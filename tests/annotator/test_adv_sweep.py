import os, random, logging, traceback
import pytest
from tests.annotator.test_bad_input import *
from tests.annotator.test_bad_input import site
from tests.annotator import test_bad_input as T
logging.disable(logging.CRITICAL)
R=random.Random(int(os.environ["ADV_SEED"]))
pytestmark=pytest.mark.django_db
for n in list(globals()):
    if n.startswith("test_") : del globals()[n]
def test_sweep(site):
    found={}
    N=[v for v in T.NASTY if len(v)<100_000]
    fs=forms_of(site)
    for address, form in fs.items():
        for name in form:
            for v in R.sample(N, 24):
                try:
                    with undone():
                        a=site.post(address,{**form,name:v})
                        if a.status_code not in ANSWERS: raise AssertionError(a.status_code)
                        if a.status_code==302:
                            for pg in R.sample(shown_after(site),2):
                                assert site.client.get(pg).status_code==200, pg
                except Exception as e:
                    tb=traceback.extract_tb(e.__traceback__)
                    o=[f"{x.filename}:{x.lineno}" for x in tb if "/work/main/" in x.filename and ".venv" not in x.filename]
                    found.setdefault(f"{type(e).__name__} {str(e)[:150]} @ {o[-1:]}",[]).append((address,name,v[:60]))
        with open(os.environ["ADV_OUT"],"w") as f:
            print("done", address, file=f)
            for k,l in found.items(): print(k,len(l),l[:4],file=f)
