using Tessera.Devices;
using Tessera.Models.Tests;

namespace Tessera.Device.Tests.Models;

/// <summary>That the bounds of models on a card are such that rounding comes near to; needs no card.</summary>
public sealed class RoundingTests
{
    [Theory]
    [MemberData(nameof(FamilyModels.Names), MemberType = typeof(FamilyModels))]
    public void Rounding_between_operations_leads_away_from_the_formulas_but_not_far(string name)
    {
        using var model = SmallModel.Create(FamilyModels.Configurations[name], type: DType.BF16);
        var expectation = new Bf16Expectation(model, [SmallModel.Ids(150, FamilyModels.Vocabulary)]);
        Assert.InRange(expectation.RoundingAlone, 5e-3, 2.5e-2);
    }

    [Theory]
    [MemberData(nameof(Fp8ModelCudaTests.Families), MemberType = typeof(Fp8ModelCudaTests))]
    public void Three_bits_of_mantissa_everywhere_lead_farther_and_still_not_far(string name)
    {
        using var model = SmallModel.Create(FamilyModels.Configurations[name], type: DType.BF16, scale: 0.15f);
        Assert.InRange(Fp8ModelCudaTests.RoundedEverywhere(model, SmallModel.Ids(150, FamilyModels.Vocabulary)).Distance, 3e-2, 0.3);
    }
}
