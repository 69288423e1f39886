using System.Globalization;

namespace Tessera.Alignment.Health;

/// <summary>What can be wrong with a run.</summary>
public enum HealthCause
{
    /// <summary>The gradient's norm is not a number.</summary>
    NonFiniteGradient,

    /// <summary>Trainer and engine disagree about the sampled tokens.</summary>
    LogProbGap,

    /// <summary>The policy has left its reference.</summary>
    Divergence,

    /// <summary>The policy has stopped exploring.</summary>
    EntropyCollapse,

    /// <summary>The reward has fallen far below its own best.</summary>
    RewardCollapse,

    /// <summary>Most responses are cut off at the limit.</summary>
    Truncation,

    /// <summary>Most groups have equal rewards and teach nothing.</summary>
    DeadGroups,
}

/// <summary>A limit and how many steps in a row may break it.</summary>
/// <param name="Limit">Crossing it counts; the direction is the gate's.</param>
/// <param name="Patience">Steps in a row beyond the limit that stop a run; 0 switches the gate off.</param>
public sealed record GateLimit(double Limit, int Patience);

/// <summary>Limits of all gates. Gates watch; none of them changes what is trained.</summary>
public sealed record HealthSettings
{
    /// <summary>Steps in a row with a gradient that is not finite; such a step updates nothing.</summary>
    public int NonFinitePatience { get; init; } = 1;

    /// <summary>Largest mean of e^|logp_trainer − logp_engine|; healthy is 1.00 to 1.02, a rise precedes collapse.</summary>
    public GateLimit LogProbGap { get; init; } = new(1.05, 3);

    /// <summary>Largest mean KL term (k3, nats a token).</summary>
    public GateLimit Divergence { get; init; } = new(1, 3);

    /// <summary>Least mean entropy, nats a token. Exact tasks end near 0 by nature, hence so low.</summary>
    public GateLimit Entropy { get; init; } = new(1e-4, 5);

    /// <summary>Least ratio of the reward's moving mean to the best that it ever was.</summary>
    public GateLimit Reward { get; init; } = new(0.5, 3);

    /// <summary>Steps of the reward's moving mean.</summary>
    public int RewardWindow { get; init; } = 10;

    /// <summary>Largest share of responses cut off at the limit.</summary>
    public GateLimit Truncation { get; init; } = new(0.9, 10);

    /// <summary>Largest share of groups with equal rewards.</summary>
    public GateLimit DeadGroups { get; init; } = new(0.95, 10);
}

/// <summary>What the gates look at in one step.</summary>
/// <param name="Step">Number of the step.</param>
/// <param name="GradientNorm">Largest of the step's updates; NaN or infinite if one was.</param>
/// <param name="LogProbGap">Mean of e^|logp_trainer − logp_engine|.</param>
/// <param name="Divergence">Mean k3.</param>
/// <param name="Entropy">Mean, nats a token.</param>
/// <param name="Reward">Mean.</param>
/// <param name="TruncatedShare">Share of responses cut off.</param>
/// <param name="DeadShare">Share of groups with equal rewards.</param>
public readonly record struct HealthReading(
    long Step, double GradientNorm, double LogProbGap, double Divergence, double Entropy, double Reward, double TruncatedShare,
    double DeadShare);

/// <summary>Why a run has to stop.</summary>
/// <param name="Cause">The gate.</param>
/// <param name="Message">One sentence with cause, value, limit and step.</param>
public sealed record HealthVerdict(HealthCause Cause, string Message);

/// <summary>Watches a run and says, by name, when it has gone wrong.</summary>
/// <remarks>
/// The state is a function of the readings so far, so a resumed run shows the recorded ones again and goes on as if never
/// stopped. A value that is not a number breaks every limit.
/// </remarks>
/// <param name="settings">Limits.</param>
public sealed class HealthGates(HealthSettings settings)
{
    private readonly Dictionary<HealthCause, int> _inARow = [];
    private readonly Queue<double> _rewards = new();
    private double _bestReward = double.NegativeInfinity;

    /// <summary>Takes a step's reading.</summary>
    /// <returns>Null while all is well or still within patience.</returns>
    public HealthVerdict? Observe(in HealthReading reading)
    {
        double rewardRatio = RewardRatio(reading.Reward);
        return Above(HealthCause.NonFiniteGradient, new GateLimit(double.MaxValue, settings.NonFinitePatience), reading.GradientNorm, reading.Step,
                "the gradient's norm")
            ?? Above(HealthCause.LogProbGap, settings.LogProbGap, reading.LogProbGap, reading.Step,
                "the mean of e^|difference of log-probabilities| between trainer and engine")
            ?? Above(HealthCause.Divergence, settings.Divergence, reading.Divergence, reading.Step, "the mean KL term against the reference")
            ?? Below(HealthCause.EntropyCollapse, settings.Entropy, reading.Entropy, reading.Step, "the policy's mean entropy")
            ?? Below(HealthCause.RewardCollapse, settings.Reward, rewardRatio, reading.Step, "the mean reward as a share of its best")
            ?? Above(HealthCause.Truncation, settings.Truncation, reading.TruncatedShare, reading.Step, "the share of responses cut off at the limit")
            ?? Above(HealthCause.DeadGroups, settings.DeadGroups, reading.DeadShare, reading.Step, "the share of groups with equal rewards");
    }

    // 1 until a whole window was seen, and while the best is not above 0.
    private double RewardRatio(double reward)
    {
        _rewards.Enqueue(reward);
        if (_rewards.Count > settings.RewardWindow)
        {
            _rewards.Dequeue();
        }

        if (_rewards.Count < settings.RewardWindow)
        {
            return 1;
        }

        double mean = _rewards.Average();
        _bestReward = Math.Max(_bestReward, mean);
        return _bestReward > 0 ? mean / _bestReward : 1;
    }

    private HealthVerdict? Above(HealthCause cause, GateLimit gate, double value, long step, string what) =>
        Judge(cause, gate, !(value <= gate.Limit), value, step, what, "at most");

    private HealthVerdict? Below(HealthCause cause, GateLimit gate, double value, long step, string what) =>
        Judge(cause, gate, !(value >= gate.Limit), value, step, what, "at least");

    private HealthVerdict? Judge(HealthCause cause, GateLimit gate, bool isBroken, double value, long step, string what, string bound)
    {
        int count = isBroken ? _inARow.GetValueOrDefault(cause) + 1 : 0;
        _inARow[cause] = count;
        if (gate.Patience <= 0 || count < gate.Patience)
        {
            return null;
        }

        string limit = gate.Limit == double.MaxValue
            ? "a finite number"
            : string.Create(CultureInfo.InvariantCulture, $"{bound} {gate.Limit:G4}");
        return new HealthVerdict(cause, string.Create(
            CultureInfo.InvariantCulture,
            $"stopped at step {step} by the gate {cause}: {what} is {value:G4}, expected {limit}, {count} step(s) in a row"));
    }
}
