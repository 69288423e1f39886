using Tessera.Devices;
using Tessera.Models.Tests;

namespace Tessera.Device.Tests.Models;

/// <summary>What the bounds of <see cref="FamilyCudaTests"/> come to; needs no card.</summary>
public sealed class RoundingTests
{
    [Theory]
    [MemberData(nameof(FamilyModels.Names), MemberType = typeof(FamilyModels))]
    public void Rounding_between_operations_leads_away_from_the_formulas_but_not_far(string name)
    {
        using var model = SmallModel.Create(FamilyModels.Configurations[name], type: DType.BF16);
        int[] ids = SmallModel.Ids(150, FamilyModels.Vocabulary);
        double[] expected = new ReferenceDecoder(model).Logits(ids);
        double[] rounded = new ReferenceDecoder(model) { StoresBf16 = true }.Logits(ids);
        double distance = CardModel.Distance(expected, [.. rounded.Select(value => (float)value)]);
        Assert.InRange(distance, 1e-3, 0.15);
    }
}
