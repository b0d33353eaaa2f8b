from golden_models.afm.sizes import AFMParameters, AFMTextV7Parameters


def test_the_on_device_model() -> None:
    model = AFMParameters()
    assert model.linear_weights == 2_578_907_136
    assert model.adapter_weights == 22_377_472  # 44.8 MB of 16-bit values: "tens of megabytes"
    assert model.adapter_weights == 26 * 860_672
    assert model.cache_bytes_a_token() == 106_496
    assert model.vocabulary * model.dim == 150_994_944


def test_another_ffn_width_that_fits_the_accounts() -> None:
    assert AFMParameters(ffn=8064).linear_weights == 2_586_574_848


def test_afm_text_v7() -> None:
    model = AFMTextV7Parameters()
    assert model.frozen_parameters == 3_111_368_064
    assert model.adapter_weights == 66_633_728
    assert model.cache_bytes_a_token() == 17_920
